"""budgetai promote: which model is served, and what is said of it."""

import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from budgetai import extras
from budgetai.cli import main as budgetai
from budgetai.status import status
from budgetai_core import next_command
from budgetai_core.artifacts import base_models, layout
from budgetai_core.artifacts.manifest import BaseRecord, ModelManifest
from budgetai_core.context.prompt import PROMPT_FORMAT
from budgetai_core.evaluation.metrics import Score
from budgetai_core.evaluation.not_worse import Difference
from budgetai_server.cli.promote import main
from budgetai_server.evaluation import gate
from support import tiny


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tiny.make_repository(tmp_path)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model that can be loaded."""
    folder = tmp_path_factory.mktemp("model")
    return tiny.make_gguf(tiny.make_llama(folder / "llama"), folder / "llama.gguf")


def put(root: Path, place: str, file: Path, **values: Any) -> Path:
    """A model as a conversion leaves it, made of a base that is the same file."""
    path = layout.repository_folder(root) / f"{place}.gguf"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(file.read_bytes())
    record = BaseRecord(
        kind="gguf", location=str(file), digest=base_models.digest(base_models.resolve(str(file)))
    )
    manifest = ModelManifest(
        prompt_format=PROMPT_FORMAT, base=record, adapter="20250101-000000", quant="F16", size=0,
        held_out=("held/out.py",), scores={}, checks={}, versions={},
    )  # fmt: skip
    replace(manifest, **values).write(path)
    return path


def promoted(root: Path, capsys: pytest.CaptureFixture[str], *more: str) -> tuple[int, Any]:
    code = main(["--repo", str(root), "--json", *more])
    return code, json.loads(capsys.readouterr().out)


def rule(monkeypatch: pytest.MonkeyPatch, mean: float) -> None:
    """Let the models differ by so much, whatever they are."""
    apart = Difference(
        measure="edit similarity", before=0.5, after=0.5 + mean,
        change=Score(mean, mean - 0.01, mean + 0.01),
    )  # fmt: skip
    monkeypatch.setattr(
        gate,
        "compare",
        lambda asked, *_, **__: gate.Comparison(questions=asked, differences=(apart,)),
    )


def test_a_first_model_that_is_as_good_as_its_base(
    root: Path, file: Path, measured_before: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """Asked in fact: it is the base."""
    candidate = put(root, "candidates/20250102-000000-F16", file)
    assert main(["--repo", str(root)]) == 0
    told = capsys.readouterr().out
    assert told.startswith("model      ")
    assert told.splitlines()[1].startswith("served     20250102-000000-F16: on 30")
    assert "lines cut out of code that was held out it is not worse than the untuned base" in told
    assert "edit similarity" in told and "+0.000 [+0.000, +0.000]" in told
    model = layout.newest_model(root)
    assert model and model.name == candidate.name and not candidate.exists()
    there = status(root)
    assert there.promotion.startswith("served: 20250102-000000-F16: on 30")


def test_a_first_model_that_is_worse_leaves_its_base_served(
    root: Path, file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    candidate = put(root, "candidates/20250102-000000-F16", file)
    rule(monkeypatch, -0.08)
    code, told = promoted(root, capsys)
    assert (code, told["outcome"], told["judged"]) == (3, "refused", "cut")
    assert (
        "it is worse than the untuned base llama.gguf, which stays: edit similarity"
        in (told["reason"])
    )
    assert told["measures"]["edit similarity"] == pytest.approx([0.5, 0.42, -0.08, -0.09, -0.07])
    model = layout.newest_model(root)
    assert model and model.read_bytes() == file.read_bytes()
    assert told["serves"] == str(model) and told["model"] == str(candidate)
    there = status(root)
    assert there.promotion.startswith("refused: ") and there.model == str(model)
    assert there.next.startswith("start your editor")
    # The next one is compared with that base, as a first one is, and may take its place.
    rule(monkeypatch, 0.0)
    put(root, "candidates/20250103-000000-F16", file)
    code, told = promoted(root, capsys)
    assert (code, told["outcome"]) == (0, "served")
    assert told["against"].startswith("the untuned ")
    assert layout.newest_model(root) == Path(told["model"])
    assert not candidate.exists()


def test_a_tuned_model_stays_where_too_little_is_known(
    root: Path, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = put(root, "models/20250101-000000-F16", file)
    candidate = put(root, "candidates/20250102-000000-F16", file)
    assert main(["--repo", str(root)]) == 3
    told = capsys.readouterr().out
    assert told.splitlines()[1].startswith("waits      20250102-000000-F16: there are 30 lines")
    assert "20250101-000000-F16, which stays until there are 100; to serve it all" in told
    assert layout.newest_model(root) == before and candidate.exists()
    # Without the repository nothing is known.
    assert main([str(candidate)]) == 3
    assert "name it with --repo" in capsys.readouterr().out
    code, told = promoted(root, capsys, "--anyway")
    assert (code, told["reason"]) == (0, "20250102-000000-F16: it was not judged, as you asked")
    assert layout.newest_model(root) == Path(told["model"]) != before


def test_what_lines_tell_nothing_of(
    root: Path, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(root, "models/20250101-000000-F16", file)
    put(root, "candidates/20250102-000000-F16", file, task="docstring")
    code, told = promoted(root, capsys)
    assert code == 0 and "lines tell nothing of a docstring model" in told["reason"]


def test_a_base_that_is_gone_and_a_repository_that_holds_nothing_out(
    root: Path, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = BaseRecord(kind="gguf", location="/nowhere/x.gguf", digest="0")
    put(root, "candidates/20250102-000000-F16", file, base=gone)
    code, told = promoted(root, capsys)
    assert code == 0 and "its base is not here to compare it with" in told["reason"]
    (Path(told["model"])).unlink()
    put(root, "candidates/20250103-000000-F16", file, held_out=())
    code, told = promoted(root, capsys)
    assert code == 0 and "there are 0 lines that it has not learned" in told["reason"]


def test_mistakes(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, words in (
        ([], "there is no candidate for "),
        (["--repo", str(tmp_path / "nowhere")], "no such repository"),
        ([str(tmp_path / "x.gguf")], "is not a candidate. Name one of `budgetai models list`"),
    ):
        assert main(["--repo", str(root), *arguments]) == 2
        error = capsys.readouterr().err
        assert words in error and error.count("\n") == 1


def test_a_candidate_that_is_not_a_model(
    root: Path, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    candidate = put(root, "candidates/20250102-000000-F16", file)
    candidate.write_bytes(b"GGUF and no more")
    assert main(["--repo", str(root)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert layout.newest_model(root) is None and candidate.exists()


def test_ctrl_c_leaves_all_as_it_was(
    root: Path, file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    candidate = put(root, "candidates/20250102-000000-F16", file)

    def compare(
        asked: gate.Questions, rival: Path, model: Path, tick: gate.Tick, *, least: int
    ) -> None:
        signal.raise_signal(signal.SIGINT)
        tick("base", 1, 30)

    monkeypatch.setattr(gate, "compare", compare)
    # A suite in a script's background ignores it.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        assert main(["--repo", str(root)]) == 130
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert capsys.readouterr().err == "budgetai promote: interrupted\n"
    assert candidate.exists() and layout.newest_model(root) is None


@pytest.mark.parametrize(
    ("ended", "code", "told"),
    [
        # As a conversion ends that is interrupted, and one that fills the disk.
        (130, 130, "interrupted\n"),
        (
            2,
            2,
            "llama could not be converted to compare the model with it. Run budgetai promote again",
        ),
    ],
)
def test_where_the_base_cannot_be_made_nothing_is_served(
    ended: int,
    code: int,
    told: str,
    root: Path,
    file: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    base = base_models.resolve(str(tiny.make_llama(root.parent / "llama")))
    record = BaseRecord(kind=base.kind, location=str(base.path), digest=base_models.digest(base))
    candidate = put(root, "candidates/20250102-000000-F16", file, base=record)
    monkeypatch.setattr(next_command, "run_next", lambda *_, **__: (ended, None))
    assert main(["--repo", str(root)]) == code
    assert capsys.readouterr().err.startswith(f"budgetai promote: {told}")
    assert candidate.exists() and layout.newest_model(root) is None
    assert status(root).promotion == ""


def test_a_candidate_that_was_made_later_stays(
    root: Path, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Such as that of another conversion, which is being judged."""
    put(root, "models/20250103-000000-F16", file)
    older = put(root, "candidates/20250102-000000-F16", file)
    later = put(root, "candidates/20250104-000000-F16", file)
    code, _ = promoted(root, capsys, str(older), "--anyway")
    assert code == 0 and not older.exists() and later.exists()


def test_it_needs_no_more_than_a_conversion(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who trains on another machine than the editor's has no extra for the server there."""
    monkeypatch.setattr(extras, "missing", lambda: {"server": ("pygls",)})
    assert budgetai(["promote", "--repo", str(root)]) == 2
    assert "there is no candidate for" in capsys.readouterr().err
    loaded = "import sys, budgetai_server.evaluation.gate; print(*sys.modules)"
    modules = subprocess.run(
        [sys.executable, "-c", loaded], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "budgetai_server.inference.local" in modules
    assert not {"pygls", "lsprotocol", "httpx2"} & set(modules)
