"""What a window of VS Code shows and offers, each in one of its own."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from budgetai_core.artifacts.base_models import EMBEDDED, resolve
from editors import scenarios
from editors.scenarios import SOURCE, opened
from editors.server import program
from editors.vscode import VSCode
from editors.waiting import until
from support import bundles

pytestmark = pytest.mark.editors

BASE = resolve(EMBEDDED).path


def window(folder: Path, **settings: Any) -> VSCode:
    (server,) = program(folder)
    ours = {f"budgetai.{name}": value for name, value in settings.items()}
    return VSCode(folder, {"budgetai.serverPath": server, **ours})


@pytest.mark.parametrize(
    "more",
    [{"editor.wordBasedSuggestions": "matchingDocuments"}, {"budgetai.list": True}],
    ids=["words", "own items"],
)
def test_grey_text_beside_the_list(tmp_path: Path, more: dict[str, Any]) -> None:
    """What is selected there is a word of the file that the model goes on from, or its own item."""
    (server,) = program(tmp_path)
    model = {"budgetai.model": str(BASE), "budgetai.minConfidence": 0}
    editor = VSCode(tmp_path, {"budgetai.serverPath": server, **model, **more})
    try:
        path = opened(editor, "list.py", SOURCE)
        for key in "ret":
            editor.type(key)
        until(lambda: editor.do("listed"), "list of suggestions")
        assert editor.ghost("a - b") == "urn a - b"
        editor.do("press", key="Tab")
        editor.do("press", key="Escape")
        assert path.read_text() == SOURCE
        assert editor.text().startswith(SOURCE + "return")
    finally:
        editor.close()


def test_a_cell_of_a_notebook(tmp_path: Path) -> None:
    """It is completed in the language of its cell, and the other cells stay as they are."""
    above, _, begun = SOURCE.rpartition("\n\n\n")
    texts = ["# Sums\n", above, begun]
    cells = [_cell("markdown" if text.startswith("#") else "code", text) for text in texts]
    metadata = {"language_info": {"name": "python"}}
    notebook = {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    editor = window(tmp_path, model=str(BASE), minConfidence=0)
    try:
        path = editor.workspace / "sums.ipynb"
        path.write_text(json.dumps(notebook))
        # A window that does not know its extensions yet shows the file's text.
        editor.state("ready")
        editor.open(path)
        editor.do("click", words="sub")
        editor.do("press", key="Control+End")
        editor.type("return a ")
        accepted = editor.ghost("b")
        editor.press("accept")
        until(lambda: editor.do("grey")[0] != accepted, "accepted text")
        editor.press("save")
        saved = json.loads(path.read_text())["cells"]
        made = [*texts[:2], f"{begun}return a {accepted}"]
        assert ["".join(cell["source"]) for cell in saved] == made
    finally:
        editor.close()


def _cell(kind: str, text: str) -> dict[str, Any]:
    more: dict[str, Any] = {"execution_count": None, "outputs": []} if kind == "code" else {}
    return {
        "cell_type": kind,
        "id": kind[:4] + str(len(text)),
        "metadata": {},
        "source": text,
    } | more


def test_without_a_model(tmp_path: Path) -> None:
    editor = window(tmp_path)
    try:
        scenarios.no_model(editor)
        editor.notes("no model for this workspace")
    finally:
        editor.close()


def test_a_model_that_cannot_be_read(tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF" + bytes(60))
    editor = window(tmp_path, model=str(broken))
    try:
        editor.state("error")
        editor.notes("broken.gguf")
    finally:
        editor.close()


def test_a_server_that_crashes_again_and_again_stays_down(tmp_path: Path) -> None:
    editor = window(tmp_path)
    try:
        for _ in range(6):
            editor.state("no model")
            editor.kill_server()
        editor.state("error")
        editor.command("Restart the server")
        editor.state("no model")
    finally:
        editor.close()


def test_the_menu_chooses_the_folder_of_a_bundle_and_its_adapter(tmp_path: Path) -> None:
    assert BASE is not None
    bundle = bundles.make_bundle(tmp_path / "bundle", BASE, [bundles.entry("ours")])
    editor = window(tmp_path)
    try:
        editor.state("no model")
        editor.do("click", words="BudgetAI: no model")
        editor.do("click", words="Choose a model")
        editor.do("click", words="The folder of a bundle")
        editor.choose_folder(bundle)
        editor.state("ready")
        assert editor.settings()["budgetai.model"] == str(bundle)
        editor.command("Choose an adapter")
        editor.do("click", words="ours")
        until(lambda: editor.settings().get("budgetai.adapter") == "ours", "chosen adapter")
        editor.state("ready")
    finally:
        editor.close()


def test_the_walkthrough(tmp_path: Path) -> None:
    editor = window(tmp_path)
    try:
        editor.state("no model")
        editor.walkthrough()
        for title in ("Find the server", "Learn this workspace", "Type, and take what helps"):
            until(partial(editor.do, "shown", words=title), title)
        editor.do("click", words="Learn this workspace")
        until(lambda: editor.do("shown", words="Train on this workspace"), "its button")
    finally:
        editor.close()
