"""`budgetai` finds its subcommands when they are asked for, and says what is not installed."""

import json
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from budgetai import cli, extras
from budgetai.cli import SUBCOMMANDS
from budgetai.doctor import machine_checks
from budgetai_core.errors import OptionError

REQUIRES = [
    "rich>=13.9",
    "numpy>=1.26; extra == 'server'",
    'torch>=2.7; extra == "training"',
    "no-such-package>=1; extra == 'training'",
    "another.one; extra == 'convert'",
    "nor-this; extra == 'dev'",
]


@pytest.mark.parametrize("subcommand", SUBCOMMANDS, ids=lambda entry: entry.name)
def test_every_subcommand_is_there(subcommand: cli.Subcommand) -> None:
    assert callable(subcommand.load())
    assert set(subcommand.extras) <= set(extras.EXTRAS)


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "budgetai", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_what_is_printed() -> None:
    helped = run("--help")
    assert helped.returncode == 0
    assert all(f"  {entry.name} " in helped.stdout for entry in SUBCOMMANDS)
    bare = run()
    assert bare.returncode == 2 and bare.stderr == helped.stdout
    wrong = run("trian")
    assert wrong.returncode == 2
    assert wrong.stderr == "budgetai: there is no subcommand 'trian'. Did you mean train?\n"
    assert run("--version").stdout.startswith("budgetai ")
    assert run("train", "--version").stdout.startswith("budgetai-train ")


def test_the_rest_goes_to_the_subcommand(tmp_path: Path) -> None:
    done = run("eval", "--repo", str(tmp_path), "--usage", "--json")
    assert (done.returncode, json.loads(done.stdout)["all"]["shown"]) == (0, 0)
    assert run("train", "--no-such-flag").returncode == 2


def test_serving_loads_nothing_for_training() -> None:
    code = (
        "import sys; from budgetai.cli import SUBCOMMANDS\n"
        "next(entry for entry in SUBCOMMANDS if entry.name == 'serve').load()\n"
        "import budgetai_server.lsp\n"
        "heavy = {'torch', 'transformers', 'peft', 'budgetai_training', 'budgetai_convert'}\n"
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """An installation that lacks packages, with the files beside its metadata."""
    files: dict[str, Any] = {"INSTALLER": "pip\n"}
    real = metadata.distribution

    def distribution(name: str) -> Any:
        if name == extras.PACKAGE:
            return SimpleNamespace(read_text=files.get)
        return real(name)

    monkeypatch.setattr(metadata, "distribution", distribution)
    monkeypatch.setattr(metadata, "requires", lambda name: REQUIRES)
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.setattr(sys, "executable", "/a path/python")
    return files


@pytest.mark.usefixtures("installed")
def test_extras_that_are_not_whole() -> None:
    lacking = {"training": ("no-such-package",), "convert": ("another.one",)}
    assert extras.missing() == lacking
    assert extras.check("serve", ["server"]) == 0
    with pytest.raises(
        OptionError, match=r"train needs the extra training, which is not installed"
    ):
        extras.check("train", ["training"])
    with pytest.raises(OptionError, match="demo needs the extras convert, training"):
        extras.check("demo", ["server", "training", "convert"])


@pytest.mark.parametrize(
    ("files", "marker", "command"),
    [
        ({}, "", "'/a path/python' -m pip install 'budgetai[server,training]'"),
        (
            {"INSTALLER": "uv"},
            "",
            "uv pip install --python '/a path/python' 'budgetai[server,training]'",
        ),
        ({"INSTALLER": "uv"}, "uv-receipt.toml", "uv tool install 'budgetai[server,training]'"),
        ({}, "pipx_metadata.json", "pipx install --force 'budgetai[server,training]'"),
        (
            {"direct_url.json": json.dumps({"url": "file:///w/a.whl"})},
            "pipx_metadata.json",
            "pipx install --force 'budgetai[server,training] @ file:///w/a.whl'",
        ),
        (
            {"direct_url.json": json.dumps({"url": "file:///w", "dir_info": {"editable": True}})},
            "",
            "make install",
        ),
    ],
)
def test_the_command_that_adds_an_extra(
    installed: dict[str, Any], tmp_path: Path, files: dict[str, str], marker: str, command: str
) -> None:
    """It keeps those that are there, and goes the way that this installation came."""
    installed |= files
    if marker:
        (tmp_path / marker).touch()
    assert extras.Installation.current().command(["training"]) == command


def test_nothing_private_in_what_is_to_be_pasted(installed: dict[str, Any]) -> None:
    installed["direct_url.json"] = json.dumps({"url": "file:///w/a.whl"})
    command = extras.Installation.current().command(["training"], anonymous=True)
    assert command == "python -m pip install 'budgetai[server,training]'"


def test_an_extra_that_was_there_is_missed(
    installed: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert installed
    extras.note(["server"])
    extras.note(["training"])
    assert extras.noted() == {"server", "training"}
    assert extras.lost() == {"training"}
    monkeypatch.setattr(sys, "prefix", "/another/installation")
    assert extras.lost() == set()


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("text", ["[", "[]", '{"x": 1}', ""])
def test_notes_that_are_broken(own_home: Path, text: str) -> None:
    own_home.mkdir()
    (own_home / "extras.json").write_text(text)
    assert extras.lost() == set()
    extras.note(["server"])
    assert extras.noted() == {"server"}


@pytest.mark.usefixtures("installed")
def test_help_needs_no_extra(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.launch("train", ["--help"])
    assert stop.value.code == 0
    assert cli.launch("train", []) == 2
    assert "Run: " in capsys.readouterr().err


@pytest.mark.usefixtures("installed")
def test_doctor_on_extras(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is gone is told with the command that brings it back; without any, nothing works."""
    extras.note(["server", "training"])
    whole, lost = machine_checks._extras()
    assert (whole.level, whole.text) == ("ok", "server; not installed: convert, training")
    assert lost.level == "hint" and "training was here" in lost.text
    assert lost.remedy == "Run: python -m pip install 'budgetai[server,training]'"
    monkeypatch.setattr(metadata, "requires", lambda name: REQUIRES[2:])
    none, lost = machine_checks._extras()
    assert none.level == "fault" and "none is installed" in none.text
    assert lost.level == "hint"
