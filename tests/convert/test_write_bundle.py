"""Bundles: one base, adapters laid over it, added and replaced while it is in use."""

import dataclasses
import json
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from budgetai_convert.checks import docstring_probes
from budgetai_convert.checks.agreement import Agreement
from budgetai_convert.cli import main
from budgetai_core.artifacts import gguf_reader, layout
from budgetai_core.artifacts.atomic_write import read_json, write_json
from budgetai_core.artifacts.bundle import Bundle
from budgetai_core.artifacts.manifest import AdapterManifest
from budgetai_core.llama.scoring import ScoringModel
from support import forked, tiny

MakeBase = Callable[..., Path]


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def divergence(compared: Callable[..., Agreement]) -> Callable[..., float]:
    """Of the base of a bundle, with one of its adapters over it, from torch."""

    def measure(bundle: Path, entry: int | None, of: Path, adapter: Path) -> float:
        read_back = Bundle.read(bundle)
        lora = None if entry is None else read_back.path(read_back.adapters[entry])
        with ScoringModel(read_back.base, lora=lora) as native:
            return compared(native, of, adapter).kld

    return measure


def changed(adapter: Path, **facts: Any) -> Path:
    dataclasses.replace(AdapterManifest.read(adapter), **facts).write(adapter)
    return adapter


@pytest.fixture(scope="session")
def adapters(base: MakeBase, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Of one base: ranks and scales that differ from module to module, with rows that llama.cpp has
    otherwise; and one for docstrings."""
    place = tmp_path_factory.mktemp("adapters")
    first = tiny.make_adapter(
        place / "first",
        base("llama"),
        use_rslora=True,
        rank_pattern={"down_proj": 2},
        alpha_pattern={"o_proj": 3},
    )
    second = tiny.make_adapter(place / "second", base("llama"), seed=2, rank=3, alpha=6)
    changed(second, task="docstring", held_out=("held/out.py", "c.py"))
    return changed(first, held_out=("a.py", "held/out.py")), second


@pytest.fixture(scope="session")
def made(adapters: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of the first alone, made once; `bundle` is a copy to change."""
    out = tmp_path_factory.mktemp("made") / "bundle"
    assert main([str(adapters[0]), "--bundle", "--out", str(out), "--json"]) == 0
    return out


@pytest.fixture
def bundle(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "bundle"))


def test_a_bundle_is_the_tuned_model_in_two_files(
    made: Path,
    base: MakeBase,
    adapters: tuple[Path, Path],
    capsys: pytest.CaptureFixture[str],
    divergence: Callable[..., float],
) -> None:
    entry = Bundle.read(made).adapters[0]
    Bundle.read(made).check(entry)
    assert (entry.name, entry.task, entry.rank) == ("tiny-completion", "completion", 4)
    assert (entry.repository, entry.trained, entry.scale) == ("tiny", "first", 1.0)
    assert names(made) == {
        *("base.gguf", entry.file, "manifest.json", "tiny-completion.Modelfile", "README.md")
    }
    assert f"ADAPTER ./{entry.file}" in (made / "tiny-completion.Modelfile").read_text()
    described = json.loads((made / "manifest.json").read_text())
    assert described["checks"]["kld_f16"] < 1e-4
    assert described["adapter_checks"]["tiny-completion"] == described["checks"]
    assert divergence(made, None, base("llama"), adapters[0]) > 0.5, "the base must not be merged"
    assert divergence(made, 0, base("llama"), adapters[0]) < 0.01
    metadata = gguf_reader.read(made / "base.gguf").metadata
    assert not {"budgetai.task", "budgetai.repository"} & set(metadata)
    assert main([str(adapters[0]), "--bundle", "--out", str(made)]) == 2
    assert "is there already" in capsys.readouterr().err
    assert not [name for name in names(made.parent) if name.startswith(".")]


def test_several_adapters_of_one_base(
    adapters: tuple[Path, Path],
    base: MakeBase,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    divergence: Callable[..., float],
) -> None:
    out = tmp_path / "bundle"
    again = shutil.copytree(adapters[0], tmp_path / "again")
    arguments = [*map(str, (*adapters, again)), "--bundle", "--out", str(out)]
    assert main([*arguments, "--json"]) == 0
    manifest_read = json.loads(capsys.readouterr().out)
    read_back = Bundle.read(out).adapters
    assert [adapter_entry["name"] for adapter_entry in manifest_read["adapters"]] == [
        adapter_entry.name for adapter_entry in read_back
    ]
    assert [
        (adapter_entry.name, adapter_entry.task, adapter_entry.rank) for adapter_entry in read_back
    ] == [
        ("tiny-completion", "completion", 4),
        ("tiny-docstring", "docstring", 3),
        ("tiny-completion-2", "completion", 4),
    ]
    assert read_json(out / "manifest.json")["held_out"] == ["held/out.py"], (
        "one of them has learned it"
    )
    for entry in (0, 1):
        assert divergence(out, entry, base("llama"), adapters[entry]) < 0.01
    assert divergence(out, 1, base("llama"), adapters[0]) > 0.5, "they are too alike to tell"


def test_adapters_of_different_bases_are_not_put_together(
    adapters: tuple[Path, Path],
    base: MakeBase,
    bundle: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    other = tiny.make_adapter(tmp_path / "other", base("qwen2"))
    out = tmp_path / "mixed"
    assert main([str(adapters[0]), str(other), "--bundle", "--out", str(out)]) == 2
    assert "A bundle has one base" in capsys.readouterr().err
    assert not out.exists()
    before = files(bundle)
    assert main([str(other), "--add-to", str(bundle)]) == 2
    assert "which is not the base of" in capsys.readouterr().err
    assert files(bundle) == before
    assert main([*map(str, adapters), "--out", str(tmp_path / "model.gguf")]) == 2
    assert "2 adapters at once" in capsys.readouterr().err


def test_an_adapter_is_added_and_replaced_and_the_base_stays(
    adapters: tuple[Path, Path],
    base: MakeBase,
    bundle: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    divergence: Callable[..., float],
) -> None:
    before = files(bundle)
    first = Bundle.read(bundle).adapters[0]
    assert main([str(adapters[1]), "--add-to", str(bundle)]) == 0
    assert "adapter    tiny-docstring: docstring, rank 3" in capsys.readouterr().out
    read_back = Bundle.read(bundle)
    assert [adapter_entry.name for adapter_entry in read_back.adapters] == [
        "tiny-completion",
        "tiny-docstring",
    ]
    assert read_back.adapters[0] == first
    assert divergence(bundle, 1, base("llama"), adapters[1]) < 0.01
    assert read_json(bundle / "manifest.json")["held_out"] == ["held/out.py"]
    added = files(bundle)
    assert {name for name in before if added[name] != before[name]} == {"manifest.json"}

    # Trained anew: it takes the place of the one of its name, and nothing of that is left.
    newer = tiny.make_adapter(tmp_path / "newer", base("llama"), seed=3)
    assert main([str(newer), "--add-to", str(bundle), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["adapters"][0]["trained"] == "newer"
    read_back = Bundle.read(bundle)
    assert [adapter_entry.name for adapter_entry in read_back.adapters] == [
        "tiny-docstring",
        "tiny-completion",
    ]
    assert first.file not in names(bundle)
    assert names(bundle) == {
        *("base.gguf", "manifest.json", "README.md"),
        *("tiny-completion.Modelfile", "tiny-docstring.Modelfile"),
        *(adapter_entry.file for adapter_entry in read_back.adapters),
    }
    assert divergence(bundle, 1, base("llama"), newer) < 0.01
    # The same once more changes nothing.
    assert main([str(newer), "--add-to", str(bundle), "--json"]) == 0
    assert Bundle.read(bundle).adapters == read_back.adapters


def test_what_fails_a_check_is_not_added(
    adapters: tuple[Path, Path],
    bundle: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No tiny model is destroyed by any type, so the limit is lowered instead."""
    before = files(bundle)
    monkeypatch.setattr("budgetai_convert.checks.agreement.MAX_KLD_QUANT", 1e-9)
    assert main([str(adapters[1]), "--add-to", str(bundle)]) == 2
    assert "destroys this model" in capsys.readouterr().err
    assert files(bundle) == before


def test_killed_while_adding_the_bundle_is_as_before(
    adapters: tuple[Path, Path], bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Just before the manifest tells of it, when all the rest is there."""
    before = files(bundle)
    program = """
import os, signal, sys
from budgetai_convert import write_bundle
from budgetai_convert.cli import main
write_bundle.write_json = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
main(sys.argv[1:])
"""
    arguments = [str(adapters[1]), "--add-to", str(bundle)]
    done = forked.run("-c", program, *arguments)
    assert done.returncode == -signal.SIGKILL
    Bundle.read(bundle)
    left = files(bundle)
    assert {name: left[name] for name in before} == before
    assert len(left) > len(before), "nothing was left, so nothing was tested"
    assert main([*arguments, "--json"]) == 0
    capsys.readouterr()
    entry = Bundle.read(bundle).adapters[1]
    assert names(bundle) == {*before, entry.file, "tiny-docstring.Modelfile"}


def test_a_bundle_of_a_repository_goes_on_its_shelf(
    base: MakeBase, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    repo = tmp_path / "repo"
    repo.mkdir()
    adapter = tiny.make_adapter(layout.new_adapter(repo), base("llama"))
    assert main([str(adapter), "--bundle", "--json"]) == 0
    model = Path(json.loads(capsys.readouterr().out)["model"])
    assert model.parent == layout.repository_folder(repo) / "models"
    assert model.name.endswith("-Q8_0")
    assert Bundle.read(model).adapters[0].trained == adapter.name


def test_what_a_user_says_of_an_adapter_in_the_manifest_stays(
    adapters: tuple[Path, Path], bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """When one of the same name takes its place; one that was renamed is another."""
    edited = {"scale": 0.5, "languages": ["python", "go"], "task": "docstring"}
    values = read_json(bundle / "manifest.json")
    values["adapters"][0] |= edited
    write_json(bundle / "manifest.json", values)
    assert main([str(adapters[0]), "--add-to", str(bundle), "--json"]) == 0
    (entry,) = Bundle.read(bundle).adapters
    assert json.loads(capsys.readouterr().out)["adapters"][0]["scale"] == 0.5
    assert (entry.scale, entry.languages, entry.task) == (0.5, ("python", "go"), "docstring")
    values = read_json(bundle / "manifest.json")
    values["adapters"][0]["name"] = "mine"
    write_json(bundle / "manifest.json", values)
    assert main([str(adapters[0]), "--add-to", str(bundle)]) == 0
    capsys.readouterr()
    kept, added = Bundle.read(bundle).adapters
    assert (kept.name, kept.scale) == ("mine", 0.5)
    assert (added.name, added.scale, added.languages) == ("tiny-completion", 1.0, ())


@pytest.mark.parametrize("flag", ["name", "task", "scale", "languages", "card"])
def test_options_of_before_say_what_to_do_instead(
    flag: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["adapter", f"--{flag}", "x"])
    line = capsys.readouterr().err.splitlines()[-1]
    assert f"--{flag} was removed. " in line
    assert ("always written" if flag == "card" else "the bundle's manifest.json") in line


def test_bundles_that_are_none(
    adapters: tuple[Path, Path], bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(*arguments: object) -> str:
        assert main([*map(str, arguments)]) == 2
        return capsys.readouterr().err

    into = ("--add-to", bundle)
    assert "Leave --bundle and --out out" in refused(adapters[0], *into, "--bundle")
    assert "no manifest.json" in refused(adapters[0], "--add-to", tmp_path)
    assert "has no adapter to bundle" in refused(bundle / "base.gguf", *into)
    (bundle / "manifest.json").write_text('{"adapters": [], "base_file": "base.gguf"}')
    assert "was not made by budgetai-convert" in refused(adapters[0], *into)


def test_a_stranger_s_manifest_removes_no_base(
    adapters: tuple[Path, Path], bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nor a file that another adapter still has."""
    values = read_json(bundle / "manifest.json")
    file, size = values["adapters"][0]["file"], (bundle / "base.gguf").stat().st_size
    values["adapters"] = [
        {"name": "tiny-docstring", "file": "base.gguf", "size": size},
        {"name": "twin", "file": file},
    ]
    write_json(bundle / "manifest.json", values)
    assert main([str(adapters[1]), "--add-to", str(bundle)]) == 0
    values = read_json(bundle / "manifest.json")
    for entry, name in zip(values["adapters"], ("tiny-docstring", "twin"), strict=True):
        entry["name"] = name
    write_json(bundle / "manifest.json", values)
    assert main([str(adapters[1]), "--add-to", str(bundle)]) == 0
    capsys.readouterr()
    read_back = Bundle.read(bundle)
    assert [entry.name for entry in read_back.adapters] == ["twin", "tiny-docstring"]
    assert read_back.base.is_file() and file not in names(bundle)


def test_a_cut_is_bundled_at_its_rank(
    base: MakeBase, bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nested = tiny.make_adapter(tmp_path / "nested", base("llama"), rank=8)
    changed(nested, method="dylora frozen", chosen_rank=2)
    for rank in ((), ("--rank", "3")):
        assert main([str(nested), "--add-to", str(bundle), *rank]) == 0
        capsys.readouterr()
        entry = Bundle.read(bundle).named("tiny-completion")
        assert entry is not None
        assert entry.rank == (3 if rank else 2)
        tensors = gguf_reader.read(bundle / entry.file).tensors
        assert tensors["blk.0.attn_q.weight.lora_a"].shape == (entry.rank, 64)


def test_dora_cannot_be_bundled(
    base: MakeBase, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    adapter = tiny.make_adapter(tmp_path / "adapter", base("llama"), use_dora=True)
    assert main([str(adapter), "--bundle", "--out", str(tmp_path / "bundle")]) == 2
    assert "is a DoRA, which GGUF cannot hold apart" in capsys.readouterr().err
    assert not (tmp_path / "bundle").exists()


def test_a_merged_model_says_its_task(
    adapters: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "model.gguf"
    assert main([str(adapters[1]), "--quant", "F16", "--out", str(out)]) == 0
    assert gguf_reader.read(out).value("budgetai.task") == "docstring"
    capsys.readouterr()


DOCUMENTED = '''\
def area{n}(width: int, height: int) -> int:
    """Multiply the width by the height of rectangle {n}.

    Args:
        width: How wide it is.
        height: How high it is.

    Returns:
        The area, in units squared.
    """
    return width * height
'''


@pytest.mark.parametrize("task", ["completion", "docstring"])
def test_what_was_held_out_judges_an_adapter_that_is_added(
    task: str,
    adapters: tuple[Path, Path],
    bundle: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """By what it was trained to write: one line of each docstring, or lines of code."""
    repo = tiny.make_repository(tmp_path)
    (repo / "held/out.py").write_text("\n\n".join(DOCUMENTED.format(n=n) for n in range(6)))
    adapter = changed(Path(shutil.copytree(adapters[1], tmp_path / "adapter")), task=task)
    assert main([str(adapter), "--add-to", str(bundle), "--repo", str(repo), "--json"]) == 0
    manifest_read = json.loads(capsys.readouterr().out)
    assert manifest_read["adapters"][0]["task"] == task
    what = {"completion": "lines", "docstring": "docstrings"}[task]
    judged_by = manifest_read["notes"]["judged_by"]
    assert f" {what} in 1 files held out of training" in judged_by
    # With so small a vocabulary half of the docstrings are longer than what is evaluated at once.
    asked = manifest_read["checks"]["held_out_holes"]
    assert 3 <= asked <= int(judged_by.split()[0])
    assert (asked < int(judged_by.split()[0])) == judged_by.endswith(f"; {asked:.0f} were enough")
    assert 0 < manifest_read["checks"]["held_out_kld"] < 0.1


def test_docstrings_are_asked_for_at_their_place() -> None:
    text = DOCUMENTED.format(n=1)
    (span,) = docstring_probes.mask_docstrings([("area.py", text), ("notes.txt", text)], 9, 0)
    assert span.before.endswith('-> int:\n    """')
    assert span.expected == "Multiply the width by the height of rectangle 1."
    assert span.after.startswith('"""\n    return width') and "Args:" not in span.after
    assert not docstring_probes.mask_docstrings([("area.py", text)], 9, 0, {"area.py": ((0, 60),)})
