"""`budgetai models`: what there is, one file for a colleague, and why one is refused."""

import dataclasses
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest

from budgetai.models.archive import ARCHITECTURES, export, import_archive
from budgetai.models.cli import main
from budgetai.models.inventory import artifacts, named, remove
from budgetai_core.artifacts import base_models, layout
from budgetai_core.artifacts.bundle import Bundle
from budgetai_core.artifacts.manifest import BaseRecord, ModelManifest
from budgetai_core.context.prompt import PROMPT_FORMAT
from budgetai_core.errors import BudgetAIError, ModelError, RepositoryError, StorageError
from budgetai_core.models.architectures import FAMILIES
from support import bundles
from support.clones import git, new_repository

Rows = list[tuple[str, bytes]]


def write_gguf(path: Path, *, architecture: str = "qwen2", kind: str = "model") -> Path:
    """A file that looks like a model of one layer; nothing here runs it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_type(kind)
    writer.add_string("general.license", "apache-2.0")
    writer.add_uint32("budgetai.prompt_format", PROMPT_FORMAT)
    for name in ("token_embd.weight", "blk.0.attn_q.weight"):
        writer.add_tensor(name, np.ones((32, 32), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return new_repository(tmp_path / "first")


@pytest.fixture
def model(repository: Path) -> Path:
    """A model of the repository, as budgetai-convert leaves one."""
    path = layout.repository_folder(repository) / "models" / "20260101-000000-Q8_0.gguf"
    write_gguf(path)
    ModelManifest(
        prompt_format=PROMPT_FORMAT,
        base=BaseRecord(kind="gguf", location="/home/secret/base.gguf", digest="d"),
        adapter="20260101-000000",
        quant="Q8_0",
        size=path.stat().st_size,
        held_out=("pkg/a.py",),
        scores={"held_out_loss_before": 2.5},
        checks={"kld": 0.01},
        versions={"budgetai": "1"},
    ).write(path)
    path.with_suffix(".md").write_text("# a card\n")
    layout.remember(repository)
    return path


@pytest.fixture
def exported(model: Path, repository: Path, tmp_path: Path) -> Path:
    target = tmp_path / "team.budgetai"
    export(named(repository, ""), target)
    return target


def of_a_colleague(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Another clone on another machine."""
    monkeypatch.setenv("BUDGETAI_HOME", str(tmp_path / "their-home"))
    git(tmp_path, "clone", "-q", str(tmp_path / "first"), str(tmp_path / "theirs"))
    return tmp_path / "theirs"


def test_a_model_goes_to_a_colleague(
    exported: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = of_a_colleague(monkeypatch, tmp_path)
    assert layout.newest_model(theirs) is None
    path = import_archive(exported, theirs / "pkg")
    assert layout.newest_model(theirs) == path
    assert path.read_bytes() == model.read_bytes()
    assert path.name.endswith("-Q8_0.gguf") and path.with_suffix(".md").is_file()
    manifest = ModelManifest.find(path)
    assert manifest and manifest.scores == {"held_out_loss_before": 2.5}
    assert manifest.base.location == "base.gguf"
    assert b"secret" not in exported.read_bytes()
    assert not [file for file in path.parent.iterdir() if file.name[0] == "."]


def test_a_bundle_goes_to_a_colleague(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = layout.repository_folder(repository) / "models" / "20260101-000000-Q8_0"
    base = write_gguf(tmp_path / "base.gguf")
    bundles.make_bundle(folder, base, (bundles.entry("first"), bundles.entry("second")))
    layout.remember(repository)
    export(named(repository, "20260101-000000-Q8_0"), tmp_path / "b.budgetai")
    theirs = of_a_colleague(monkeypatch, tmp_path)
    path = import_archive(tmp_path / "b.budgetai", theirs)
    assert [entry.name for entry in Bundle.read(path).adapters] == ["first", "second"]
    assert layout.newest_model(theirs) == path


def test_a_model_of_another_repository_is_refused(exported: Path, tmp_path: Path) -> None:
    other = new_repository(tmp_path / "other", "y = 2\n")
    with pytest.raises(RepositoryError, match=r"another repository \(first\)"):
        import_archive(exported, other)
    assert layout.newest_model(other) is None
    path = import_archive(exported, other, any_repository=True)
    assert layout.newest_model(other) == path


def rewritten(exported: Path, change: Callable[[Rows, dict[str, Any]], Rows]) -> Path:
    """Write the archive anew, its files and its listing changed."""
    with zipfile.ZipFile(exported) as old:
        rows = [(name, old.read(name)) for name in old.namelist() if name != "budgetai.json"]
        listing = json.loads(old.read("budgetai.json"))
    rows = change(rows, listing)
    with zipfile.ZipFile(exported, "w") as new:
        new.writestr("budgetai.json", json.dumps(listing))
        for name, data in rows:
            new.writestr(name, data)
    return exported


def listed_as(name: str) -> Callable[[Rows, dict[str, Any]], Rows]:
    """Give the card another name, in the listing, too."""

    def change(rows: Rows, listing: dict[str, Any]) -> Rows:
        for row in listing["files"]:
            row["name"] = name if row["name"] == "model.md" else row["name"]
        return [(name if old == "model.md" else old, data) for old, data in rows]

    return change


def one_byte_changed(rows: Rows, listing: dict[str, Any]) -> Rows:
    return [(name, data[:-1] + b"\0" if name == "model.gguf" else data) for name, data in rows]


def one_more(rows: Rows, listing: dict[str, Any]) -> Rows:
    return [*rows, ("evil.txt", b"x")]


def one_less(rows: Rows, listing: dict[str, Any]) -> Rows:
    return rows[:-1]


def twice(rows: Rows, listing: dict[str, Any]) -> Rows:
    return [*rows, rows[0]]


def said(key: str, value: object) -> Callable[[Rows, dict[str, Any]], Rows]:
    def change(rows: Rows, listing: dict[str, Any]) -> Rows:
        listing[key] = value
        return rows

    return change


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (one_byte_changed, "model.gguf differs from what is listed"),
        (one_more, "other files than it lists"),
        (one_less, "other files than it lists"),
        (twice, "other files than it lists"),
        (listed_as("../evil.md"), "it names the file"),
        (listed_as("/evil.md"), "it names the file"),
        (listed_as("a\\evil.md"), "it names the file"),
        (listed_as(".evil"), "it names the file"),
        (listed_as("NUL.md"), "it names the file"),
        (listed_as("other.md"), "other files than those of a model"),
        (said("prompt_format", PROMPT_FORMAT + 1), "prompt format"),
        (said("format", 2), "of another format"),
        (said("kind", "adapter"), "it holds a 'adapter'"),
        (said("files", "x"), "files"),
        (said("files", [{"name": "a", "size": -1}]), "sha256 is missing"),
    ],
)
def test_a_file_that_is_not_as_it_says(
    exported: Path, repository: Path, change: Callable[..., Rows], words: str
) -> None:
    """Each is refused in one line, and leaves nothing behind."""
    before = sorted(layout.home().rglob("*"))
    with pytest.raises(BudgetAIError) as caught:
        import_archive(rewritten(exported, change), repository)
    assert words in str(caught.value) and "\n" not in str(caught.value)
    assert sorted(layout.home().rglob("*")) == before


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
def test_a_file_that_is_cut_short(exported: Path, repository: Path, share: float) -> None:
    data = exported.read_bytes()
    exported.write_bytes(data[: round(len(data) * share)])
    with pytest.raises(ModelError, match="cut short"):
        import_archive(exported, repository)


def test_packed_and_linked_entries(exported: Path, repository: Path) -> None:
    """What could grow, or lead elsewhere, is not opened at all."""
    with zipfile.ZipFile(exported) as old:
        rows = {name: old.read(name) for name in old.namelist()}
    for mode, compression in ((0o120777 << 16, 0), (0o100644 << 16, zipfile.ZIP_DEFLATED)):
        with zipfile.ZipFile(exported, "w") as new:
            for name, data in rows.items():
                entry = zipfile.ZipInfo(name)
                if name == "model.md":
                    entry.external_attr, entry.compress_type = mode, compression
                new.writestr(entry, data)
        with pytest.raises(ModelError, match=r"model\.md is packed, encrypted or a link"):
            import_archive(exported, repository)


@pytest.mark.parametrize(
    ("architecture", "kind", "words"),
    [("whisper", "model", "architecture 'whisper'"), ("qwen2", "adapter", "is not a model")],
)
def test_another_kind_of_model(
    model: Path, repository: Path, tmp_path: Path, architecture: str, kind: str, words: str
) -> None:
    write_gguf(model, architecture=architecture, kind=kind)
    export(named(repository, ""), tmp_path / "x.budgetai")
    with pytest.raises(ModelError, match=words):
        import_archive(tmp_path / "x.budgetai", repository)


def test_there_has_to_be_room(
    exported: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(repository)._replace(free=10)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(StorageError, match="are needed, 0 MB are free"):
        import_archive(exported, repository)


def test_what_can_be_imported_is_what_is_made() -> None:
    names = {gguf.MODEL_ARCH_NAMES[family.arch] for family in FAMILIES.values()}
    assert set(ARCHITECTURES) == names


@pytest.mark.usefixtures("model")
def test_the_list(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    adapter = layout.repository_folder(repository) / "adapters" / "20260101-000000"
    adapter.mkdir(parents=True)
    (adapter / "manifest.json").write_bytes(b"{}" + b" " * 998)
    (adapter.parent / "20260102-000000.partial").mkdir()
    assert main(["--repo", str(repository), "list", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["20260101-000000-Q8_0"]["served"] is True
    assert rows["20260101-000000"]["size"] == 1000
    assert rows["20260102-000000.partial"]["kind"] == "run"
    assert rows[base_models.EMBEDDED]["kind"] == "base"
    assert main(["--repo", str(repository)]) == 0
    told = capsys.readouterr().out
    assert "* 20260101-000000-Q8_0" in told and "MB in all" in told


def test_show(model: Path, repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "--repo", str(repository)]) == 0
    told = capsys.readouterr().out
    assert str(model) in told and "held_out_loss_before 2.5" in told
    assert main(["show", "--repo", str(repository), "nothing"]) == 2
    assert "there is no 'nothing'" in capsys.readouterr().err


def test_what_is_removed_goes_with_its_files(
    model: Path, repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["remove", "--repo", str(repository), "20260101-000000-Q8_0"]
    assert main(command) == 2
    assert "Add --yes" in capsys.readouterr().err and model.exists()
    assert main([*command, "--yes"]) == 0
    assert not list(model.parent.iterdir())
    assert "are free again" in capsys.readouterr().out
    assert main(["remove", base_models.EMBEDDED, "--yes"]) == 2
    assert "part of an installed package" in capsys.readouterr().err


def test_a_name_that_may_be_several(repository: Path, model: Path, tmp_path: Path) -> None:
    """What stands in the current repository goes first; elsewhere the repository is named, too."""
    other = new_repository(tmp_path / "other", "y = 2\n")
    same = layout.repository_folder(other) / "models" / model.name
    write_gguf(same)
    assert named(repository, model.stem).path == model
    assert named(other, model.stem).path == same
    with pytest.raises(ModelError, match="may be several"):
        named(tmp_path, model.stem)
    assert named(tmp_path, f"other/{model.stem}").path == same
    remove(named(tmp_path, f"first/{model.stem}"))
    assert not model.exists() and same.exists()


def test_an_export_does_not_overwrite(
    exported: Path, repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = exported.read_bytes()
    assert main(["export", "--repo", str(repository), str(exported)]) == 2
    assert "is there already" in capsys.readouterr().err
    assert exported.read_bytes() == data


@pytest.mark.usefixtures("exported")
def test_sizes_add_up(repository: Path) -> None:
    rows = [row for row in artifacts(repository) if row.repository]
    folder = layout.repository_folder(repository) / "models"
    assert sum(row.size for row in rows) == sum(f.stat().st_size for f in folder.iterdir())
    assert dataclasses.replace(rows[0], kind="base").files == (rows[0].path,)
