"""Runs that are killed, gone on with, or spread over processes: they learn what one run would."""

import json
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from budgetai_training import autotune
from budgetai_training.cli import main
from budgetai_training.hyperparameters.rank_weights import Draw
from support import forked, tiny
from support.learnable import write_modules

Train = Callable[..., dict[str, Any]]

LEARNING = ("--learning-rate", "0.01", "--load-in", "fp32", "--budget", "10m")


def learning(repo: Path, base: Path) -> list[str]:
    return ["--repo", str(repo), "--base", str(base), *LEARNING]


@pytest.fixture
def arguments(repo: Path, llama: Path) -> list[str]:
    return learning(repo, llama)


@pytest.fixture(scope="module")
def first(llama: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """An adapter that has learned, and what was printed of it. No test changes the folder."""
    place = tmp_path_factory.mktemp("first")
    asked = learning(write_modules(place / "shop", functions=3), llama)
    asked += ["--max-steps", "10", "--out", str(place / "first"), "--json"]
    done = forked.run("-m", "budgetai_training", *asked)
    assert done.returncode == 0, done.stderr
    return place / "first", json.loads(done.stdout)


def start(*arguments: str) -> forked.Process:
    return forked.start("-m", "budgetai_training", *arguments)


def wait_for_checkpoint(process: forked.Process, work: Path) -> None:
    deadline = time.monotonic() + 240
    while not any(work.glob("checkpoint-*/spent.json")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_killed_run_ends_where_an_uninterrupted_one_does(
    llama: Path, trained: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Over the end of the first pass, with ranks drawn at random."""
    arguments = learning(write_modules(tmp_path / "shop", range(6)), llama)
    steps = ["--max-steps", "12", "--batch", "2"]
    steps += ["--method", "dylora", "--lora", "ranks=1,4,frozen=on"]
    whole = trained(*arguments, *steps, "--out", tmp_path / "whole")
    assert whole["counts"]["samples_a_pass"] < 12
    out = str(tmp_path / "killed")
    killed = start(*arguments, *steps, "--out", out, "--checkpoint-every", "0.01s")
    work = Path(out + ".partial")
    wait_for_checkpoint(killed, work)
    # A second one in the same folder is refused while the first is at work.
    os.kill(killed.pid, signal.SIGSTOP)
    assert main([*arguments, "--out", out, "--resume"]) == 2
    assert "another budgetai-train is at work" in capsys.readouterr().err
    killed.kill()
    killed.wait()
    again = trained(*arguments, "--out", out, "--resume")
    assert again["counts"]["steps"] == whole["counts"]["steps"] == 12
    assert again["counts"]["tokens"] == whole["counts"]["tokens"]
    assert again["rank"] == 4
    assert again["chosen_rank"] == whole["chosen_rank"] in (1, 4)
    assert again["rank_losses"] == pytest.approx(whole["rank_losses"], abs=1e-3)
    for name in ("held_out_loss_after", "training_loss"):
        assert again["scores"][name] == pytest.approx(whole["scores"][name], abs=1e-3)


def launched(*arguments: object, **environment: str) -> "subprocess.CompletedProcess[str]":
    """A run of two processes, started by torchrun."""
    each = forked.command("-m", "budgetai_training", *arguments, "--json")
    torchrun = ("torch.distributed.run", "--nproc-per-node", "2", "--standalone", "--no-python")
    place = {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"} | environment
    return forked.run("-m", *torchrun, *each, timeout=240, env=os.environ | place)


def by_two(*arguments: object, **environment: str) -> dict[str, Any]:
    """What the one of two forked processes that speaks prints with --json. They are told what
    torchrun tells the processes it starts."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    shared = {
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2",
        "LOCAL_WORLD_SIZE": "2", "ACCELERATE_USE_CPU": "true",
    }  # fmt: skip
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        both = [
            forked.start(
                "-m", "budgetai_training", *arguments, "--json", stdout=out, stderr=err,
                env=os.environ | shared | {"RANK": rank, "LOCAL_RANK": rank} | environment,
            )
            for rank in ("0", "1")
        ]  # fmt: skip
        codes = [process.wait(240) for process in both]
        err.seek(0)
        assert codes == [0, 0], err.read().decode()
        out.seek(0)
        printed: dict[str, Any] = json.load(out)
    return printed


def test_two_processes_learn_what_one_does_with_twice_the_micro_batches(
    llama: Path, trained: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once as torchrun starts them, once as forks between which the base is spread."""
    repo = write_modules(tmp_path / "shop", range(6))
    # The budget bounds what is written for the report, token by token in step.
    asked = (*learning(repo, llama), "--max-steps", 3, "--budget", "3m")
    # As if memory had held half of a batch.
    decided = autotune.decide
    with monkeypatch.context() as patched:
        patched.setattr(autotune, "decide", lambda *given: replace(decided(*given), accumulate=2))
        whole = trained(*asked, "--out", tmp_path / "one")
    done = launched(*asked, "--out", tmp_path / "two")
    assert done.returncode == 0, done.stderr
    spread = by_two(*asked, "--out", tmp_path / "spread", ACCELERATE_USE_FSDP="true")
    for two in (json.loads(done.stdout), spread):
        assert two["counts"]["tokens"] == whole["counts"]["tokens"]
        for name in ("held_out_loss_after", "training_loss"):
            assert two["scores"][name] == pytest.approx(whole["scores"][name], abs=2e-3)
        assert sorted(p.name for p in Path(two["adapter"]).iterdir()) == sorted(
            p.name for p in (tmp_path / "one").iterdir()
        )


@pytest.mark.big
@pytest.mark.parametrize("load_in", ["fp32", "4bit"])
def test_a_base_that_is_spread_over_processes_learns_the_same(
    arguments: list[str], load_in: str, tmp_path: Path
) -> None:
    """QLoRA too: evaluations, the best state, ranks and completions come out as by whole bases."""
    asked = (*arguments, "--load-in", load_in, "--max-steps", 2)
    asked += ("--method", "dylora", "--lora", "ranks=2,4", "--evaluate", "full")
    whole = by_two(*asked, "--out", tmp_path / "whole")
    spread = by_two(*asked, "--out", tmp_path / "spread", ACCELERATE_USE_FSDP="true")
    for name, score in whole["scores"].items():
        assert spread["scores"][name] == pytest.approx(score, abs=1e-4)
    reports = [json.loads((tmp_path / n / "report.json").read_text()) for n in ("whole", "spread")]
    assert reports[0]["completions"] == reports[1]["completions"] != []
    learned = [load_file(tmp_path / n / "adapter_model.safetensors") for n in ("whole", "spread")]
    assert learned[0].keys() == learned[1].keys()
    for name, weights in learned[0].items():
        torch.testing.assert_close(learned[1][name], weights, atol=1e-4, rtol=0)


@pytest.mark.big
def test_two_processes_draw_the_same_ranks(arguments: list[str], tmp_path: Path) -> None:
    """In a first step only what is drawn gets a gradient: another rank in the other process would
    leave its columns of B in the mean."""
    ranks = tuple(range(1, 9))
    alike = (1 / len(ranks),) * len(ranks)
    seed = next(seed for seed in range(100) if Draw(ranks, alike, seed).at(0) == 1)
    method = ("--method", "dylora", "--rank", 8, "--seed", seed)
    by_two(*arguments, *method, "--max-steps", 1, "--evaluate", "none", "--out", tmp_path / "two")
    tensors = load_file(tmp_path / "two" / "adapter_model.safetensors")
    columns = [b for name, b in tensors.items() if "lora_B" in name]
    assert all(b[:, 0].any() and not b[:, 1:].any() for b in columns)


def test_going_on_from_an_adapter_learns_what_has_changed(
    first: tuple[Path, dict[str, Any]],
    arguments: list[str],
    trained: Train,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder, before = first
    write_modules(tmp_path / "shop", functions=3)
    onward = [*arguments, "--continue-from", str(folder)]
    assert main([*onward, "--out", str(tmp_path / "none")]) == 2
    assert "nothing has changed since" in capsys.readouterr().err
    write_modules(tmp_path / "shop", range(12, 15), constant=500, functions=3)
    second = trained(*onward, "--max-steps", 10, "--out", tmp_path / "second")
    assert second["held_out"] == before["held_out"]
    # Three new files, and a quarter of those it knows.
    known = before["counts"]["files"]
    assert second["counts"]["files"] == 3 + round(known / 4)
    assert len(second["learned"]) == known + 3
    # Not the very same, for lines of the new files are shown beside them; untaught it is 7.7.
    assert second["scores"]["held_out_loss_before"] == pytest.approx(
        before["scores"]["held_out_loss_after"], abs=0.2
    )
    other = tiny.make_llama(tmp_path / "other", hidden=128)
    assert main([*onward, "--base", str(other), "--out", str(tmp_path / "none")]) == 2
    assert "was trained on" in capsys.readouterr().err


def test_the_loss_that_is_told_is_a_plain_mean(
    arguments: list[str], trained: Train, tmp_path: Path
) -> None:
    """It is compared with held-out loss; what counts more is seen in what is learned."""
    for times in (1, 50):
        asked = ("--max-steps", 2, "--evaluate", "none", "--recipe", f"emphasis={times}")
        trained(*arguments, *asked, "--out", tmp_path / f"{times}")
    curves = [
        [point["loss"] for point in json.loads((tmp_path / n / "report.json").read_text())["curve"]]
        for n in ("1", "50")
    ]
    assert curves[0][0] == pytest.approx(curves[1][0], abs=1e-5)
    plain, weighted = (load_file(tmp_path / n / "adapter_model.safetensors") for n in ("1", "50"))
    assert not any(torch.equal(plain[name], weighted[name]) for name in plain if "lora_B" in name)


def test_what_there_was_no_time_for_is_still_new(
    arguments: list[str], trained: Train, tmp_path: Path
) -> None:
    arguments += ["--evaluate", "none"]
    first = trained(*arguments, "--max-steps", 1, "--out", tmp_path / "first")
    assert 1 <= len(first["learned"]) < first["counts"]["files"]
    onward = [*arguments, "--continue-from", tmp_path / "first", "--max-steps", 6]
    second = trained(*onward, "--out", tmp_path / "second")
    assert len(second["learned"]) == first["counts"]["files"]


def test_a_run_killed_after_its_last_step_is_finished(
    arguments: list[str], trained: Train, tmp_path: Path
) -> None:
    """When the time for steps is over, what is left is judging and saving."""
    out = str(tmp_path / "killed")
    killed = start(*arguments, "--out", out, "--checkpoint-every", "0.01s")
    work = Path(out + ".partial")
    wait_for_checkpoint(killed, work)
    killed.kill()
    killed.wait()
    for spent in work.glob("checkpoint-*/spent.json"):
        spent.write_text('{"seconds": 599.0}')
    again = trained(*arguments, "--out", out, "--resume")
    assert again["counts"]["steps"] >= 1
    assert again["scores"]["held_out_loss_after"] is not None


def test_adapters_that_are_not_gone_on_from(
    arguments: list[str], trained: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nested = ["--method", "dylora"]
    folder = str(tmp_path / "first")
    short = ("--rank", 4, "--max-steps", 2, "--evaluate", "none")
    trained(*arguments, *nested, *short, "--out", folder)
    onward = [*arguments, *nested, "--continue-from", folder, "--out", str(tmp_path / "none")]
    for ranks in ("1,2", "1-16"):
        assert main([*onward, "--lora", f"ranks={ranks}"]) == 2
        assert f"--lora ranks={ranks} does not end with 4" in capsys.readouterr().err
    for path in (tmp_path / "shop").iterdir():
        path.rename(path.with_name("renamed_" + path.name))
    assert main(onward) == 2
    assert "held out" not in (output := capsys.readouterr().err)
    assert "holds out is in shop" in output


def test_a_dry_run_tells_what_going_on_would_show(
    first: tuple[Path, dict[str, Any]],
    repo: Path,
    trained: Train,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder, before = first
    write_modules(repo, functions=3)
    write_modules(repo, range(12, 15), constant=500)
    onward = ["--repo", str(repo), "--continue-from", str(folder)]
    output = trained(*onward, "--dry-run")
    assert tuple(output["held_out"]) == tuple(before["held_out"])
    assert len(output["train"]) == 3 + round(before["counts"]["files"] / 4)
    assert main([*onward, "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert "what has changed since" in shown
    assert f"then: budgetai-train {' '.join(onward[:1])}" in shown


def test_what_stands_in_the_way_of_a_run_stays(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = tmp_path / "model.partial" / "thesis.txt"
    own.parent.mkdir()
    own.write_text("years of work")
    assert main([*arguments, "--out", str(tmp_path / "model")]) == 2
    assert "is something else" in capsys.readouterr().err
    assert own.read_text() == "years of work"


@pytest.mark.big
def test_a_spread_base_is_refused_what_needs_a_whole_one(arguments: list[str]) -> None:
    done = launched(*arguments, "--lora", "target=auto", ACCELERATE_USE_FSDP="true")
    assert done.returncode == 1
    message = (
        "budgetai-train: --lora target=auto needs a whole base in each process. Choose another\n"
    )
    assert message in done.stderr
