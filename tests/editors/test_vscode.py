"""The package in a real VS Code, with the real server and model."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from budgetai_server.artefacts.bases import EMBEDDED, resolve
from editors import docstrings, scenarios
from editors.docstrings import GhostWriter
from editors.scenarios import SOURCE, Editor, opened
from editors.server import program, script
from editors.vscode import EXTENSION, VSCode
from editors.waiting import until

pytestmark = pytest.mark.editors

BASE = str(resolve(EMBEDDED).path)
SHAPES = '''"""Areas of shapes."""

import math


def rectangle(width, height):
    return width * height


def square(side):
    '''


@pytest.fixture(scope="module")
def vscode(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VSCode]:
    folder = tmp_path_factory.mktemp("vscode")
    (server,) = program(folder)
    # What the model is sure of differs with the machine's speed, which decides what it is shown.
    settings = {"budgetai.serverPath": server, "budgetai.model": BASE, "budgetai.minConfidence": 0}
    editor = VSCode(folder, settings)
    yield editor
    editor.close()


def test_it_was_installed_from_its_package(vscode: VSCode) -> None:
    assert "was successfully installed" in vscode.installed


@pytest.mark.parametrize("scenario", scenarios.ALL, ids=lambda one: one.__name__)
def test_scenarios(vscode: VSCode, scenario: Callable[[Editor], None], tmp_path: Path) -> None:
    try:
        scenario(vscode)
    except AssertionError:
        vscode.shot(tmp_path / "failed.png")
        raise


@pytest.mark.parametrize("scenario", docstrings.ALL, ids=lambda one: one.__name__)
def test_docstrings(
    vscode: VSCode, scenario: Callable[[GhostWriter], None], tmp_path: Path
) -> None:
    try:
        scenario(vscode)
    except AssertionError:
        vscode.shot(tmp_path / "failed.png")
        raise


def test_the_light_bulb_writes_a_docstring(vscode: VSCode) -> None:
    opened(vscode, "bulb.py", docstrings.BARE)
    # It is looked for when the cursor moves; before, the model may still have been loading.
    vscode.do("press", key="Home")
    vscode.do("bulb")
    until(lambda: vscode.do("offered") == ["Write docstring"], "offer")
    vscode.do("press", key="Enter")
    docstrings.documented(vscode, docstrings.BARE)


def test_a_docstring_is_shown_on_its_way_and_can_be_cancelled(vscode: VSCode) -> None:
    names = ", ".join(f"side_{number}" for number in range(30))
    path = opened(vscode, "long.py", f"def many({names}):\n    return side_1")
    vscode.docstring()
    until(lambda: "BudgetAI: docstring of many" in vscode.do("status"), "progress")
    vscode.do("click", words="BudgetAI: docstring of many")
    noted(vscode, "docstring of many")
    vscode.do("click", words="Cancel")
    until(lambda: "docstring of many" not in vscode.do("status"), "end of the progress")
    vscode.do("press", key="Escape")
    assert vscode.text().splitlines()[1:] == ["    return side_1"]
    assert vscode.text() == path.read_text()


def test_a_picture_for_the_readme(vscode: VSCode, tmp_path: Path) -> None:
    vscode.do("palette", words="View: Close All Editors")
    opened(vscode, "shapes.py", SHAPES)
    vscode.do("press", key="Control+b")
    vscode.type("re")
    vscode.ghost("turn")
    vscode.state("ready")
    vscode.shot(tmp_path / "screenshot.png")
    shutil.copy(tmp_path / "screenshot.png", EXTENSION / "media/screenshot.png")
    vscode.press("save")


def test_the_menu_turns_it_off_and_on(vscode: VSCode) -> None:
    opened(vscode, "off.py", SOURCE)
    vscode.do("click", words="BudgetAI: ready")
    until(lambda: any("Turn off in this file" in row for row in vscode.do("rows")), "menu")
    vscode.do("press", key="Enter")
    vscode.state("off")
    vscode.do("press", key="Control+1")
    vscode.type("r")
    assert vscode.shows_nothing()
    vscode.do("palette", words="BudgetAI: On or off in this file")
    vscode.state("ready")
    vscode.do("press", key="Control+1")
    vscode.type("e")
    vscode.ghost("turn")
    vscode.press("save")


def test_grey_text_beside_the_list(tmp_path: Path) -> None:
    """What is selected there is a word of the file that the model goes on from, or its own item."""
    (server,) = program(tmp_path)
    settings = {"budgetai.serverPath": server, "budgetai.model": BASE, "budgetai.minConfidence": 0}
    words = {"editor.wordBasedSuggestions": "matchingDocuments"}
    for number, more in enumerate((words, {"budgetai.list": True})):
        editor = VSCode(tmp_path / str(number), settings | more)
        try:
            path = opened(editor, "list.py", SOURCE)
            for key in "ret":
                editor.type(key)
            until(lambda editor=editor: editor.do("listed"), "list of suggestions")
            assert editor.ghost("a - b") == "urn a - b"
            editor.do("press", key="Tab")
            editor.do("press", key="Escape")
            assert path.read_text() == SOURCE
            assert editor.text().startswith(SOURCE + "return")
        finally:
            editor.close()


def noted(editor: VSCode, words: str) -> None:
    def there() -> bool:
        return any(words in note for note in editor.do("notes"))

    try:
        until(there, f"notification '{words}'")
    except AssertionError as error:
        raise AssertionError(f"{error}, but {editor.do('notes')}") from error


def test_training_is_shown_and_can_be_cancelled(tmp_path: Path) -> None:
    (server,) = program(tmp_path)
    script(tmp_path, "train")
    editor = VSCode(tmp_path, {"budgetai.serverPath": server})
    try:
        (editor.workspace / "shapes.py").write_text(SHAPES + "return side * side\n")
        editor.state("no model")
        editor.do("palette", words="BudgetAI: Train on this workspace")
        noted(editor, "training for 15m")
        editor.do("click", words="Cancel")
        noted(editor, "budgetai-train was cancelled")
        assert not any("training for" in note for note in editor.do("notes"))
    finally:
        editor.close()


def test_a_workspace_that_is_not_trusted_names_no_program(tmp_path: Path) -> None:
    """Its own environment and its own settings are passed over."""
    folder = tmp_path / "workspace"
    for place in (".venv/bin", "tools"):
        (folder / place).mkdir(parents=True)
        trap = folder / place / "budgetai-server"
        trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/run\n")
        trap.chmod(0o755)
    (folder / ".vscode").mkdir()
    chosen = {"budgetai.serverPath": str(folder / "tools/budgetai-server")}
    (folder / ".vscode/settings.json").write_text(json.dumps(chosen))
    startup = {"security.workspace.trust.startupPrompt": "never"}
    editor = VSCode(tmp_path, startup, trust=False)
    try:
        until(lambda: "Restricted Mode" in editor.do("status"), "restricted mode")
        until(lambda: "BudgetAI:" in editor.do("status"), "state")
        until(lambda: "BudgetAI: starting" not in editor.do("status"), "settled state")
        assert not (tmp_path / "run").exists()
    finally:
        editor.close()


def test_without_a_server_it_asks(tmp_path: Path) -> None:
    editor = VSCode(tmp_path, {"budgetai.serverPath": str(tmp_path / "nowhere")})
    try:
        until(lambda: "BudgetAI: no server" in editor.do("status"), "state no server")
        until(lambda: any("Make an environment" in note for note in editor.do("notes")), "question")
        assert not (tmp_path / "machine/data/User/globalStorage/budgetai.budgetai").exists()
    finally:
        editor.close()


def test_without_a_model_it_says_so(tmp_path: Path) -> None:
    (server,) = program(tmp_path)
    editor = VSCode(tmp_path, {"budgetai.serverPath": server})
    try:
        until(lambda: "BudgetAI: no model" in editor.do("status"), "state no model")
    finally:
        editor.close()
