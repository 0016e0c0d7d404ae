"""The next edit in a real VS Code."""

import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from budgetai_core.artifacts.base_models import EMBEDDED, resolve
from editors import next_edits
from editors.next_edits import RESTED, NextEditor, calls, goes_to, is_saved, proposes, renamed
from editors.scenarios import opened
from editors.server import program
from editors.vscode import VSCode
from editors.waiting import until

pytestmark = pytest.mark.editors

BASE = resolve(EMBEDDED).path


@pytest.fixture(scope="module")
def vscode(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VSCode]:
    folder = tmp_path_factory.mktemp("vscode")
    (server,) = program(folder)
    editor = VSCode(folder, {"budgetai.serverPath": server})
    yield editor
    editor.close()


@pytest.mark.parametrize("scenario", next_edits.ALL, ids=lambda scenario: scenario.__name__)
def test_next_edits(vscode: VSCode, scenario: Callable[[NextEditor], None], tmp_path: Path) -> None:
    try:
        scenario(vscode)
    except AssertionError:
        vscode.shot(tmp_path / "failed.png")
        raise


def test_a_file_that_is_written_by_another_program(vscode: VSCode) -> None:
    """It is another document then: the edit of the old one is taken back, and nothing is made."""
    other = opened(vscode, "written.py", calls("written"))
    opened(vscode, "writing.py", calls("written", 2))
    renamed(vscode)
    proposes(vscode, "written.py:2")
    changed = "import pages\n\n" + calls("written")
    other.write_text(changed)
    until(lambda: not vscode.proposed(), "end of the edit")
    vscode.next_edit()
    assert vscode.place()[0] == "writing.py"
    vscode.open(other)
    assert vscode.text() == changed


@pytest.fixture
def indexed(tmp_path: Path) -> Iterator[VSCode]:
    """With a model there is an index, and with it files that the editor has not opened."""
    (server,) = program(tmp_path)
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    for name in ("stock.py", "till.py"):
        (workspace / name).write_text(calls("rate", 1))
    settings = {"budgetai.serverPath": server, "budgetai.model": str(BASE)}
    editor = VSCode(tmp_path, {**settings, "editor.inlineSuggest.enabled": False})
    yield editor
    editor.close()


def _elsewhere(editor: VSCode) -> str:
    proposes(editor, ".py:2")
    return editor.proposed().removeprefix("Next edit: ").removesuffix(":2")


def test_a_rename_over_files_that_are_not_open(indexed: VSCode) -> None:
    opened(indexed, "shop.py", calls("rate", 2))
    indexed.state("ready")
    time.sleep(RESTED)
    renamed(indexed)
    made = set()
    for _ in range(2):
        name = _elsewhere(indexed)
        goes_to(indexed, name, 2)
        proposes(indexed, "page = load_rate(url0, 3)")
        indexed.next_edit()
        new = calls("rate", 1).replace("fetch", "load").encode()
        until(partial(is_saved, indexed, indexed.workspace / name, new), "edit")
        made.add(name)
    assert made == {"stock.py", "till.py"}


def test_a_file_that_is_not_open_has_changed_on_disk(indexed: VSCode) -> None:
    opened(indexed, "shop.py", calls("rate", 2))
    indexed.state("ready")
    time.sleep(RESTED)
    renamed(indexed)
    other = indexed.workspace / _elsewhere(indexed)
    changed = "import rates\n" + calls("rate", 1)
    other.write_text(changed)
    indexed.next_edit()
    indexed.next_edit()
    time.sleep(RESTED)
    assert other.read_text() == changed
    indexed.open(other)
    assert indexed.text() == changed
