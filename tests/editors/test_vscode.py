"""The package in a real VS Code, with the real server and model."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from budgetai_server.artefacts.bases import EMBEDDED, resolve
from editors import scenarios
from editors.scenarios import SOURCE, Editor, opened
from editors.server import program
from editors.vscode import EXTENSION, VSCode
from editors.waiting import until

pytestmark = pytest.mark.editors

BASE = str(resolve(EMBEDDED).path)
SHOP = '''"""Prices of a small shop."""


def net(price, rate):
    return price / (1 + rate)


def gross(price, rate):
    '''


@pytest.fixture(scope="module")
def vscode(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VSCode]:
    folder = tmp_path_factory.mktemp("vscode")
    (server,) = program(folder)
    editor = VSCode(folder, {"budgetai.serverPath": server, "budgetai.model": BASE})
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


def test_a_picture_for_the_readme(vscode: VSCode, tmp_path: Path) -> None:
    opened(vscode, "prices.py", SHOP)
    vscode.type("re")
    vscode.ghost("turn")
    vscode.shot(tmp_path / "screenshot.png")
    shutil.copy(tmp_path / "screenshot.png", EXTENSION / "media/screenshot.png")
    vscode.press("save")


def test_the_menu_turns_it_off_and_on(vscode: VSCode) -> None:
    opened(vscode, "off.py", SOURCE)
    vscode.do("click", words="BudgetAI: ready")
    until(lambda: any("Turn off in this file" in row for row in vscode.do("rows")), "menu")
    vscode.do("press", key="Enter")
    vscode.state("off")
    vscode.type("r")
    assert vscode.shows_nothing()
    vscode.do("palette", words="BudgetAI: On or off in this file")
    vscode.state("ready")
    vscode.type("e")
    vscode.ghost("turn")
    vscode.press("save")
