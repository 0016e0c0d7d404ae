"""`budgetai status` says what there is for a repository, and what comes next."""

import json
from pathlib import Path
from typing import Any

import pytest

from budgetai.status import main, status
from budgetai_core.artifacts import layout
from budgetai_core.artifacts.atomic_write import write_json
from budgetai_core.artifacts.manifest import AdapterManifest, BaseRecord
from support.clones import git, new_repository


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return new_repository(tmp_path / "first")


def add(root: Path, place: str, **values: Any) -> Path:
    path = layout.repository_folder(root) / place
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path.with_suffix(".json"), values)
    if path.suffix == ".gguf":
        path.write_bytes(b"GGUF")
    return path


def add_adapter(root: Path, name: str) -> None:
    folder = layout.repository_folder(root) / "adapters" / name
    folder.mkdir(parents=True)
    AdapterManifest(
        prompt_format=1,
        base=BaseRecord(kind="gguf", location="smollm2-135m", digest="d"),
        repository=root.name,
        method="lora",
        rank=4,
        load_in="bf16",
        seed=0,
        held_out=(),
        counts={},
        scores={"held_out_loss_before": 2.5, "held_out_loss_after": 2.25},
        seconds={},
        versions={},
        finished="2026-01-01T10:00:00",
    ).write(folder)


def test_the_next_step(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert status(root).next.startswith("budgetai train; budgetai doctor says which")
    add(root, "adapters/20260101-000000.partial/run.json")
    assert status(root).next.startswith("budgetai train --resume")
    add_adapter(root, "20260102-000000")
    assert status(root).next == "budgetai convert"
    model = add(root, "models/20260103-000000-Q8_0.gguf", quant="Q8_0", base={"location": "b"})
    there = status(root)
    assert there.next.startswith("start your editor")
    assert (there.model, there.quant, there.base) == (str(model), "Q8_0", "b")
    assert there.losses == (2.5, 2.25)
    assert main(["--repo", str(root)]) == 0
    told = capsys.readouterr().out
    assert "2.500 before, 2.250 after" in told and "Q8_0" in told


def test_another_clone(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is here already becomes known to others by looking at it."""
    model = add(root, "models/20260103-000000-Q8_0.gguf")
    git(tmp_path, "clone", "-q", str(root), str(tmp_path / "second"))
    assert status(tmp_path / "second").model is None
    assert not status(root).elsewhere
    assert main(["--repo", str(tmp_path / "second"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["model"], told["elsewhere"]) == (str(model), True)


@pytest.mark.parametrize("text", ["{", "[]", '{"base": 5, "quant": []}'])
def test_manifests_that_are_broken(root: Path, text: str) -> None:
    model = add(root, "models/20260103-000000-Q8_0.gguf")
    model.with_suffix(".json").write_text(text)
    folder = layout.repository_folder(root) / "adapters" / "20260102-000000"
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(text)
    there = status(root)
    assert (there.model, there.adapter, there.finished) == (str(model), str(folder), "")
