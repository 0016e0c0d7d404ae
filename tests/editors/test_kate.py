"""What the page prints, in a real Kate."""

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from budgetai_core.artifacts.base_models import EMBEDDED, resolve
from editors import listed
from editors.kate import Kate, skip_without_kate
from editors.neovim import ROOT
from editors.scenarios import SOURCE
from editors.server import printed, program, workspace_with_model
from editors.waiting import content, until

pytestmark = pytest.mark.editors

BASE = str(resolve(EMBEDDED).path)

(SETTINGS,) = printed(ROOT / "editor-clients/kate.md", "json")
# It tells what went wrong in a pane of its own, which nobody can read here.
WHAT_CAN_BE_SEEN: tuple[Callable[[Any], None], ...] = (
    listed.first_item,
    listed.while_typing,
    listed.undo_restores,
    listed.several_lines,
    listed.two_files,
    listed.behind_emoji,
    listed.crlf,
)


def started(folder: Path, settings: str, *flags: str) -> Kate:
    """A Kate with a file of a repository open, and with a server that is ready."""
    skip_without_kate()
    workspace, env = workspace_with_model(folder)
    program(folder, "--min-confidence", "0", *flags)
    subprocess.run(["git", "init", "-q", workspace], check=True)
    first = workspace / "opened.py"
    first.write_text(SOURCE)
    kate = Kate(folder, workspace, env, first, settings)
    # It measures its model last, before it answers.
    until(lambda: content(folder / "budgetai-home/speeds.json"), "server that is ready")
    return kate


def indexes(folder: Path) -> list[Path]:
    """What the server keeps of files that it has read."""
    return list((folder / "budgetai-home").rglob("index.sqlite"))


@pytest.fixture(scope="module")
def kate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kate]:
    editor = started(tmp_path_factory.mktemp("kate"), SETTINGS)
    yield editor
    editor.close()


@pytest.mark.parametrize("scenario", WHAT_CAN_BE_SEEN, ids=lambda one: one.__name__)
def test_scenarios(kate: Kate, scenario: Callable[[Any], None]) -> None:
    scenario(kate)
    assert indexes(kate.home.parent)


def test_the_home_folder_that_kate_names_is_left_alone(tmp_path: Path) -> None:
    settings = json.loads(SETTINGS)
    del settings["servers"]["python"]["rootIndicationFileNames"]
    kate = started(tmp_path, json.dumps(settings), "--model", BASE)
    first_item: Callable[[Any], None] = listed.first_item
    try:
        first_item(kate)
    finally:
        kate.close()
    assert not indexes(tmp_path)
