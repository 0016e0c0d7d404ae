"""Candidates become models, or wait where no server looks."""

import os
import time
from pathlib import Path

import pytest

from budgetai_core.artifacts import layout, promotion
from budgetai_core.artifacts.promotion import SIDECARS, Promotion
from budgetai_core.errors import ModelError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "shop").mkdir()
    return tmp_path / "shop"


def made(root: Path, place: str) -> Path:
    path = layout.repository_folder(root) / f"{place}.gguf"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"GGUF")
    for suffix in SIDECARS:
        path.with_suffix(suffix).write_text(f"FROM ./{path.name}")
    return path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_a_candidate_is_not_found_until_it_is_served(root: Path) -> None:
    candidate = made(root, "candidates/20260102-000000-Q8_0")
    assert layout.newest_model(root) is None
    assert layout.candidates_in(layout.repository_folder(root)) == [candidate]
    final = promotion.serve(candidate)
    assert layout.newest_model(root) == final
    assert final.name == candidate.name
    assert names(candidate.parent) == []
    assert len(names(final.parent)) == 1 + len(SIDECARS)
    with pytest.raises(ModelError, match="there is no candidate"):
        promotion.serve(candidate)


def test_one_that_is_killed_before_it_is_moved_keeps_its_manifest(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    candidate = made(root, "candidates/20260102-000000-Q8_0")
    replace = Path.replace

    def killed(path: Path, target: Path) -> Path:
        if path == candidate:
            raise OSError
        return replace(path, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", killed)
        with pytest.raises(OSError):
            promotion.serve(candidate)
    assert layout.newest_model(root) is None
    assert len(names(candidate.parent)) == 1 + len(SIDECARS)
    final = promotion.serve(candidate)
    assert names(candidate.parent) == []
    assert len(names(final.parent)) == 1 + len(SIDECARS)


def test_one_that_was_made_before_the_served_model_is_the_newest_all_the_same(root: Path) -> None:
    older = made(root, "candidates/20260101-000000-Q4_K_M")
    made(root, "models/20260102-000000-Q8_0")
    final = promotion.serve(older)
    assert layout.newest_model(root) == final
    assert final.name.endswith("-Q4_K_M.gguf")
    assert final.with_suffix(".Modelfile").read_text() == f"FROM ./{final.name}"


def test_of_those_that_are_not_served_the_newest_is_kept(root: Path) -> None:
    older = made(root, "candidates/20260101-000000-Q8_0")
    newer = made(root, "candidates/20260103-000000-Q8_0")
    for name, age in (("old", 90_000), ("new", 60)):
        left = newer.parent / f".base-{name}"
        left.mkdir()
        (left / "base.gguf").touch()
        os.utime(left, (time.time() - age,) * 2)
    promotion.keep(layout.repository_folder(root), newer)
    assert not older.exists() and newer.exists()
    assert len(names(newer.parent)) == 1 + len(SIDECARS) + 1
    assert (newer.parent / ".base-new").exists()


def test_only_candidates_are_served(root: Path, tmp_path: Path) -> None:
    model = made(root, "models/20260102-000000-Q8_0")
    elsewhere = tmp_path / "candidates" / "x.gguf"
    for other in (model, elsewhere):
        with pytest.raises(ModelError, match="is not a candidate"):
            promotion.serve(other)


def test_an_untuned_base_is_served_under_another_name(root: Path, tmp_path: Path) -> None:
    base = tmp_path / "base.gguf"
    base.write_bytes(b"GGUF")
    base.chmod(0o400)
    final = promotion.serve_base(layout.repository_folder(root), base, "small")
    assert layout.newest_model(root) == final
    assert final.read_bytes() == b"GGUF" and final.name.endswith("-small.gguf")
    assert base.stat().st_mode & 0o777 == 0o400


def test_what_is_noted_is_read_back(root: Path) -> None:
    made(root, "candidates/20260102-000000-Q8_0")
    assert promotion.latest(root) is None
    note = Promotion(
        outcome=promotion.REFUSED, reason="worse", model="m", measures={"a": (0.5, 0.25)}, lines=3
    )
    note.write(layout.repository_folder(root))
    assert promotion.latest(root) == note
    (layout.repository_folder(root) / "promotion.json").write_text("{")
    assert promotion.latest(root) is None
