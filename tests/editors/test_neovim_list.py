"""The list of a real Neovim 0.12, without a plugin for it. That of 0.11 puts in a word only."""

import ast
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from budgetai_core.artifacts.base_models import EMBEDDED, resolve
from editors import listed
from editors.neovim_list import ListNeovim
from editors.scenarios import WHOLE, opened
from editors.server import program

pytestmark = pytest.mark.editors

BASE = str(resolve(EMBEDDED).path)
# It puts in one line, and what was typed before belongs to the same undo.
WHAT_IT_CAN = (
    listed.first_item,
    listed.while_typing,
    listed.two_files,
    listed.behind_emoji,
    listed.after_a_crash,
)


@pytest.fixture(scope="module")
def neovim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ListNeovim]:
    folder = tmp_path_factory.mktemp("neovim")
    command = [*program(folder), "--model", BASE, "--min-confidence", "0"]
    editor = ListNeovim("0.12", folder, command)
    yield editor
    editor.close()


@pytest.mark.parametrize("scenario", WHAT_IT_CAN, ids=lambda one: one.__name__)
def test_scenarios(neovim: ListNeovim, scenario: Callable[[Any], None]) -> None:
    scenario(neovim)
    assert "Error" not in neovim.messages()


def test_a_closing_mark_is_not_doubled(neovim: ListNeovim) -> None:
    opened(neovim, "closer.py", WHOLE + "\n\n\nprint(add(1, 2))\nprint(sub())")
    neovim.keys("<Esc>hi")
    neovim.take("1, 2")
    last = neovim.text().splitlines()[-1]
    assert last.startswith("print(sub(1, 2)")
    assert ast.parse(last)
