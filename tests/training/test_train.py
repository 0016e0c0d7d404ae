"""budgetai-train as a process, on tiny real models: the adapter it leaves, whatever happens."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from budgetai_core.artifacts import layout
from budgetai_core.artifacts.manifest import AdapterManifest
from budgetai_training.cli import main
from budgetai_training.options import TrainOptions
from budgetai_training.report import report_files as report
from support import forked, tiny
from support.learnable import write_modules


def run(*arguments: Any) -> "subprocess.CompletedProcess[str]":
    return forked.run("-m", "budgetai_training", *arguments)


def until(done: Callable[[], bool], process: forked.Process) -> None:
    deadline = time.monotonic() + 90
    while not done():
        assert process.poll() is None, "the run ended by itself"
        assert time.monotonic() < deadline
        time.sleep(0.02)


def start(*arguments: Any) -> forked.Process:
    return forked.start("-m", "budgetai_training", *arguments)


def steps_of(folder: Path) -> int:
    return AdapterManifest.read(folder).counts["steps"]


def test_it_learns_and_leaves_a_plain_peft_adapter(repo: Path, llama: Path) -> None:
    """In a fresh interpreter: what libraries print while they are imported must not be seen."""
    command = [sys.executable, "-m", "budgetai_training", "--repo", str(repo),
               "--base", str(llama), "--max-steps", "12", "--budget", "5m", "--json",
               "--learning-rate", "0.01", "--load-in", "fp32"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    result = json.loads(done.stdout)
    scores = result["scores"]
    assert scores["held_out_loss_after"] < scores["held_out_loss_before"] - 0.5
    assert result["counts"]["steps"] == 12
    folder = Path(result["adapter"])
    assert folder == layout.newest_adapter(repo)
    assert sorted(p.name for p in folder.iterdir()) == [
        "adapter_config.json", "adapter_model.safetensors", "logs", "manifest.json",
        "report.html", "report.json",
    ]  # fmt: skip
    _is_reported(folder)
    assert not list(folder.parent.glob("*.partial"))
    _is_plain_peft(folder, llama)


def _is_reported(folder: Path) -> None:
    account = report.read(folder)
    assert account.curve[-1].step == 12
    assert account.curve[-1].seconds > account.curve[0].seconds > 0
    assert [point.step for point in account.validation] == [2, 4, 6, 8, 10, 12]
    kinds = {group.name for group in account.held_out if group.by == "hole"}
    assert {"line", "end", "expression", "statement"} <= kinds
    assert all(g.after is not None for g in account.held_out)
    assert {stage.name for stage in account.stages} >= {"training", "evaluating", "loading"}
    assert sum(row.part == "held-out" for row in account.corpus) >= 1
    assert account.forgetting
    assert account.memory
    assert account.completions
    assert all(c.expected for c in account.completions)
    assert list((folder / "logs").glob("events.*"))


def _is_plain_peft(folder: Path, base: Path) -> None:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    plain = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    ids = torch.arange(40)[None]
    before = plain(ids).logits
    tuned = PeftModel.from_pretrained(plain, folder)
    targets = {n.split(".")[-2] for n, _ in tuned.named_parameters() if "lora_A" in n}
    assert (tuned(ids).logits - before).abs().max() > 0.1
    assert targets


def test_held_out_files_are_never_trained_on(
    repo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A word that stands in held-out files alone is in no training sample."""
    assert main(["--repo", str(repo), "--dry-run", "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["held_out"]
    from budgetai_training.corpus import load as corpus
    from budgetai_training.samples.epoch import epoch

    corpus_read = corpus.read(TrainOptions(repo=repo))
    assert [f.path for f in corpus_read.held_out] == plan["held_out"]
    indexes = corpus_read.indexes()
    held = {f"total_{Path(path).stem.removeprefix('module_')}_" for path in plan["held_out"]}
    for number in range(3):
        for sample in epoch(corpus_read.train, indexes, f"0/{number}"):
            prompt = sample.prompt
            text = prompt.before + prompt.after + str(prompt.chunks)
            assert not [word for word in held if f"def {word}" in text]


def test_ctrl_c_leaves_a_usable_adapter(repo: Path, llama: Path, tmp_path: Path) -> None:
    out = tmp_path / "adapter"
    process = start("--repo", repo, "--base", llama, "--budget", "10m", "--out", out,
                    "--checkpoint-every", "0.2s", "--max-steps", 100000, "--convert")  # fmt: skip
    until(lambda: any(out.with_name("adapter.partial").glob("checkpoint-*/spent.json")), process)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0
    # Whoever interrupts has waited long enough.
    assert layout.newest_model(repo) is None
    manifest = AdapterManifest.read(out)
    # The last state is kept, though an earlier one may have been judged the best so far.
    assert manifest.counts["best_step"] == manifest.counts["steps"] > 0
    assert manifest.scores["held_out_loss_after"] is None
    assert (out / "adapter_model.safetensors").stat().st_size > 1000
    assert not out.with_name("adapter.partial").exists()


def test_resume_goes_on_after_a_kill(repo: Path, llama: Path, tmp_path: Path) -> None:
    out = tmp_path / "adapter"
    work = out.with_name("adapter.partial")
    arguments = ("--repo", repo, "--base", llama, "--budget", "10m", "--out", out,
                 "--checkpoint-every", "0.2s")  # fmt: skip
    process = start(*arguments, "--max-steps", 100000)
    until(lambda: any(work.glob("checkpoint-*/spent.json")), process)
    process.kill()
    process.wait()
    assert not out.exists()
    for more, words in (
        ((), "Add --resume"),
        (("--resume", "--rank", 32), "--rank 16, not 32"),
        (("--resume", "--repo", tmp_path), f"the unfinished run is of {repo}"),
    ):
        refused = run(*arguments, *more)
        assert refused.returncode == 2
        assert words in refused.stderr
    held_out = json.loads((work / "run.json").read_text())["held_out"]["names"]
    for file in repo.iterdir():
        # Another text would be split otherwise; what was held out must stay so.
        file.write_text(file.read_text() + "# changed\n")
    reached = max(int(p.name.split("-")[1]) for p in work.glob("checkpoint-*"))
    relative = ("--base", os.path.relpath(llama))
    done = run(*arguments, *relative, "--resume", "--max-steps", reached + 5)
    assert done.returncode == 0, done.stderr
    assert "going on from checkpoint-" in done.stderr
    assert steps_of(out) == reached + 5
    assert list(AdapterManifest.read(out).held_out) == held_out
    assert not work.exists()


def test_it_stops_inside_the_budget(repo: Path, llama: Path, tmp_path: Path) -> None:
    """It has more to show than there is time for."""
    done = run("--repo", repo, "--base", llama, "--budget", "16s", "--passes", 10_000,
               "--out", tmp_path / "a")  # fmt: skip
    assert done.returncode == 0, done.stderr
    manifest = AdapterManifest.read(tmp_path / "a")
    assert 8 < manifest.seconds["spent"] <= 16
    assert manifest.scores["held_out_loss_after"] is not None


def test_it_ends_sooner_where_all_has_been_shown(repo: Path, llama: Path, tmp_path: Path) -> None:
    write_modules(repo, range(36), functions=3)
    done = run("--repo", repo, "--base", llama, "--budget", "10m", "--load-in", "fp32", "--passes",
               1, "--evaluate", "none", "--learning-rate", 0.01, "--out",
               tmp_path / "a")  # fmt: skip
    assert done.returncode == 0, done.stderr
    (batches,) = re.findall(r"samples a pass in (\d+) micro-batches, 1 a step", done.stderr)
    assert steps_of(tmp_path / "a") == int(batches)
    rates = [point.rate for point in report.read(tmp_path / "a").curve if point.rate is not None]
    assert max(rates) > 0.009
    assert rates[-1] < 0.2 * max(rates)


@pytest.mark.parametrize("load_in", ["4bit", "bf16"])
def test_other_precisions(tmp_path: Path, load_in: str) -> None:
    """QLoRA on a CPU, over a GGUF base: NF4 with double quantisation."""
    repo = write_modules(tmp_path / "shop", range(6))
    gguf = tiny.make_gguf(tiny.make_qwen2(tmp_path / "q"), tmp_path / "q.gguf")
    # A processor without instructions for bfloat16 takes seconds a window: the budget bounds what
    # is judged.
    done = run("--repo", repo, "--base", gguf, "--max-steps", 6, "--load-in", load_in,
               "--learning-rate", 0.01, "--budget", "1m", "--out", tmp_path / "a",
               "--json")  # fmt: skip
    assert done.returncode == 0, done.stderr
    scores = json.loads(done.stdout)["scores"]
    assert scores["held_out_loss_after"] < scores["held_out_loss_before"] - 0.3
    assert json.loads(done.stdout)["load_in"] == load_in


def test_4bit_is_nf4_with_double_quantisation(llama: Path) -> None:
    from bitsandbytes.nn.modules import Linear4bit

    from budgetai_core.artifacts.base_models import resolve
    from budgetai_training.methods import peft_adapter
    from budgetai_training.model import load

    model = peft_adapter.attach(load(resolve(str(llama)), "", "4bit").model, TrainOptions(rank=4))
    layers: list[Any] = [m for m in model.modules() if isinstance(m, Linear4bit)]
    assert len(layers) == 2 * 7
    for layer in layers:
        assert layer.weight.quant_state.quant_type == "nf4"
        assert layer.weight.quant_state.nested
    trained = {n for n, p in model.named_parameters() if p.requires_grad}
    assert trained
    assert all("lora_" in name for name in trained)


def test_an_evaluation_leaves_the_gradients_of_4bit_as_they_were(tmp_path: Path) -> None:
    """bitsandbytes can repack weights in an evaluation so that no gradient passes any more."""
    import torch

    from budgetai_core.artifacts.base_models import resolve
    from budgetai_training.methods import peft_adapter
    from budgetai_training.model import load

    folder = tiny.make_llama(tmp_path / "m", hidden=256)
    model = peft_adapter.attach(load(resolve(str(folder)), "", "4bit").model, TrainOptions(rank=4))
    torch.manual_seed(0)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.02)

    def gradients() -> list[torch.Tensor]:
        model.train()
        model.zero_grad()
        ids = torch.arange(60)[None]
        model(ids, labels=ids).loss.backward()
        return [p.grad.clone() for p in model.parameters() if p.requires_grad]

    before = gradients()
    model.eval()
    with torch.no_grad():
        model(torch.arange(60)[None])
    for old, new in zip(before, gradients(), strict=True):
        torch.testing.assert_close(new, old)


def test_a_full_disk_is_one_line(repo: Path, llama: Path, tmp_path: Path) -> None:
    """Files may not become larger than 20 kB here, as if the disk were full."""
    arguments = ["--repo", repo, "--base", llama, "--max-steps", 3, "--evaluate", "none",
                 "--checkpoint-every", "0.01s", "--out", tmp_path / "a"]  # fmt: skip
    done = forked.run("-m", "budgetai_training", *arguments, file_limit=20_000)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert "cannot" in done.stderr.splitlines()[-1]
    assert not (tmp_path / "a").exists()


BAD = {
    "no repository": (["--repo", "/nowhere/at/all"], "no such repository"),
    "a file": (["--repo", __file__], "is a file"),
    "no base": (["--base", "gpt-17"], "unknown base 'gpt-17'"),
    "no gguf": (["--base", __file__], "is not a GGUF file"),
    "no model": (["--base", "."], "holds no model"),
    "no rank": (["--rank", "0"], "--rank 0"),
    "no time": (["--budget", "0"], "leaves no time"),
    "odd time": (["--budget", "soon"], "is not a length of time"),
    "odd seed": (["--seed", "-1"], "--seed -1"),
    "a rate that is none": (["--learning-rate", "nan"], "--learning-rate nan"),
    "a share that is none": (["--old-share", "2"], "--old-share 2"),
    "no mixture": (["--recipe", "nodes=lots"], "nodes=lots"),
    "less than nothing": (["--lora", "plus=-1"], "--lora plus=-1.0"),
    "little memory": (["--memory", "0.5"], "GB are free"),
    "out is here": (["--out", "."], "exists already"),
    "out is the root": (["--out", "/"], "exists already"),
    "nothing to resume": (["--resume"], "no unfinished run"),
    "too short": (["--budget", "1s"], "too short"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line_and_exit_code_2(
    name: str,
    repo: Path,
    llama: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments, words = BAD[name]
    try:
        code: object = main(["--repo", str(repo), "--base", str(llama), *arguments])
    except SystemExit as refused:
        code = refused.code
    assert code == 2
    assert words in capsys.readouterr().err.splitlines()[-1]
    assert not list((tmp_path / "budgetai-home").rglob("adapters/*"))


def test_a_truncated_gguf_base(
    repo: Path, llama: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = tiny.make_gguf(llama, tmp_path / "m.gguf")
    short = tmp_path / "short.gguf"
    short.write_bytes(whole.read_bytes()[:-2000])
    assert main(["--repo", str(repo), "--base", str(short)]) == 2
    (told,) = capsys.readouterr().err.splitlines()
    assert "short.gguf is cut short or broken" in told
