"""The package in a real VS Code, with the real server and model."""

import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from budgetai_core.artifacts.base_models import EMBEDDED, resolve
from editors import docstrings, scenarios
from editors.docstrings import GhostWriter
from editors.scenarios import SOURCE, Editor, opened
from editors.server import program, script
from editors.vscode import EXTENSION, SHAPES, VSCode
from editors.waiting import until

pytestmark = pytest.mark.editors

BASE = str(resolve(EMBEDDED).path)


@pytest.fixture(scope="module")
def vscode(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VSCode]:
    folder = tmp_path_factory.mktemp("vscode")
    (server,) = program(folder)
    script(folder, "eval")
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
    vscode.notes("docstring of many")
    vscode.do("click", words="Cancel")
    until(lambda: "docstring of many" not in vscode.do("status"), "end of the progress")
    vscode.do("press", key="Escape")
    assert vscode.text().splitlines()[1:] == ["    return side_1"]
    assert vscode.text() == path.read_text()


def test_a_picture_for_the_readme(vscode: VSCode, tmp_path: Path) -> None:
    vscode.do("palette", words="File: Save All")
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
    vscode.back_to_text()
    vscode.type("r")
    assert vscode.shows_nothing()
    vscode.command("On or off in this file")
    vscode.state("ready")
    vscode.back_to_text()
    vscode.type("e")
    vscode.ghost("turn")
    vscode.press("save")


def _offers(vscode: VSCode, title: str) -> bool:
    return any(title in row for row in vscode.do("rows"))


def test_the_menu_turns_a_language_off_and_on(vscode: VSCode) -> None:
    opened(vscode, "language.py", SOURCE)
    for title, state in (("Turn off for python", "off"), ("Turn on for python", "ready")):
        vscode.do("click", words="BudgetAI:")
        until(partial(_offers, vscode, title), title)
        vscode.do("click", words=title)
        vscode.state(state)
    vscode.back_to_text()
    vscode.type("r")
    vscode.ghost("eturn")
    vscode.press("save")


def test_it_has_said_that_it_was_thinking(vscode: VSCode) -> None:
    opened(vscode, "thinking.py", SOURCE)
    vscode.type("r")
    vscode.ghost("eturn")
    assert "BudgetAI: thinking" in vscode.do("said")
    vscode.press("save")


def test_what_was_accepted(vscode: VSCode) -> None:
    vscode.command("Show what was accepted")
    until(lambda: "kept after 30 s" in vscode.do("framed"), "account")
