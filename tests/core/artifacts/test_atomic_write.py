"""Nothing half-written ever stands at a final name."""

import json
from pathlib import Path

import pytest

from budgetai_core.artifacts import layout
from budgetai_core.artifacts.atomic_write import replaced, write_json
from budgetai_core.artifacts.manifest import AdapterManifest, ModelManifest
from budgetai_core.errors import AdapterError


def test_a_failure_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    final = tmp_path / "a.json"
    write_json(final, {"old": True})
    with pytest.raises(ValueError, match="stop"), replaced(final) as temporary:
        temporary.write_text("half")
        raise ValueError("stop")
    assert json.loads(final.read_text()) == {"old": True}
    assert list(tmp_path.iterdir()) == [final]


def test_shelves_are_outside_the_workspace_and_one_per_path(tmp_path: Path) -> None:
    first, second = tmp_path / "a" / "project", tmp_path / "b" / "project"
    first.mkdir(parents=True)
    second.mkdir(parents=True)
    assert layout.repository_folder(first) != layout.repository_folder(second)
    assert layout.repository_folder(first) == layout.repository_folder(first / ".." / "project")
    assert not layout.repository_folder(first).is_relative_to(first)


def test_the_newest_finished_adapter_is_found_from_below(tmp_path: Path) -> None:
    root = tmp_path / "project"
    inner = root / "src" / "pkg"
    inner.mkdir(parents=True)
    assert layout.newest_adapter(inner) is None
    for name in ("20260101-000000", "20260102-000000", "20260103-000000.partial"):
        folder = layout.repository_folder(root) / "adapters" / name
        folder.mkdir(parents=True)
        (folder / "manifest.json").write_text("{}")
    newest = layout.newest_adapter(inner)
    assert newest is not None
    assert newest.name == "20260102-000000"


def test_new_adapters_never_share_a_name(tmp_path: Path) -> None:
    names = set()
    for _ in range(5):
        folder = layout.new_adapter(tmp_path)
        folder.mkdir(parents=True)
        names.add(folder.name)
    assert len(names) == 5


@pytest.mark.parametrize("content", ["", "[]", "{", '{"base": {}}', "\udcff"])
def test_broken_manifests(tmp_path: Path, content: str) -> None:
    (tmp_path / "manifest.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(AdapterError):
        AdapterManifest.read(tmp_path)
    (tmp_path / "m.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    assert ModelManifest.find(tmp_path / "m.gguf") is None
