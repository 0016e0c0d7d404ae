"""What the page prints, in a real Emacs: eglot's list and lsp-mode's grey text."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from editors import docstrings, listed, scenarios
from editors.docstrings import Writer
from editors.emacs import Emacs
from editors.listed import ListEditor
from editors.neovim import EDITORS, ROOT
from editors.scenarios import Editor
from editors.server import printed, there, workspace_with_model, workspace_without_model

pytestmark = pytest.mark.editors

EGLOT, LSP_MODE = printed(ROOT / "editor-clients/emacs.md", "elisp")
# Keys that a terminal can send, no questions, and no other server that happens to be on the PATH.
HERE = """
(setq lsp-restart 'auto-restart lsp-auto-guess-root t lsp-enabled-clients '(budgetai))
(with-eval-after-load 'lsp-inline-completion
  (define-key lsp-inline-completion-active-map (kbd "M-RET") #'lsp-inline-completion-accept))
"""


def started(factory: pytest.TempPathFactory, init: str) -> Emacs:
    there(EDITORS, "emacs")
    folder = factory.mktemp("emacs")
    workspace, env = workspace_with_model(folder)
    return Emacs(folder, workspace, env, init)


@pytest.fixture(scope="module")
def eglot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emacs]:
    editor = started(tmp_path_factory, EGLOT)
    yield editor
    editor.close()


@pytest.fixture(scope="module")
def lsp_mode(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emacs]:
    editor = started(tmp_path_factory, LSP_MODE + HERE)
    yield editor
    editor.close()


@pytest.mark.parametrize("scenario", listed.ALL, ids=lambda one: one.__name__)
def test_eglot(eglot: Emacs, scenario: Callable[[ListEditor], None]) -> None:
    scenario(eglot)


# It takes an item whole or not at all.
WHOLE = [one for one in scenarios.ALL if one is not scenarios.accepted_in_part]


@pytest.mark.parametrize("scenario", WHOLE, ids=lambda one: one.__name__)
def test_lsp_mode(lsp_mode: Emacs, scenario: Callable[[Editor], None]) -> None:
    scenario(lsp_mode)


@pytest.mark.parametrize(
    ("init", "scenario"),
    [(EGLOT, listed.no_model), (LSP_MODE + HERE, scenarios.no_model)],
    ids=["eglot", "lsp_mode"],
)
def test_without_a_model(tmp_path: Path, init: str, scenario: Callable[[Emacs], None]) -> None:
    there(EDITORS, "emacs")
    editor = Emacs(tmp_path, *workspace_without_model(tmp_path), init)
    try:
        scenario(editor)
    finally:
        editor.close()


@pytest.mark.parametrize("scenario", docstrings.CHOSEN, ids=lambda one: one.__name__)
@pytest.mark.parametrize("mode", ["eglot", "lsp_mode"])
def test_docstrings(
    request: pytest.FixtureRequest, mode: str, scenario: Callable[[Writer], None]
) -> None:
    scenario(request.getfixturevalue(mode))
