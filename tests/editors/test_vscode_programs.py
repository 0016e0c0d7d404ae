"""The programs that the extension finds, makes and runs."""

import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from editors.packages import make_wheel
from editors.scenarios import SOURCE, opened, suggests
from editors.server import program, script
from editors.vscode import SHAPES, VSCode
from editors.waiting import until
from support import tiny

pytestmark = pytest.mark.editors


@pytest.mark.timeout(1200)
def test_a_workspace_is_learned_converted_and_served(tmp_path: Path) -> None:
    """The main job, without leaving the editor, with the real base and a few steps."""
    (server,) = program(tmp_path, "--min-confidence", "0")
    script(tmp_path, "train", "--max-steps", "3", "--evaluate", "none")
    tiny.make_repository(tmp_path / "workspace")
    # The editor's setting holds against the flag, and how sure the model is differs by machine.
    settings = {"budgetai.trainBudget": "3m", "budgetai.minConfidence": 0}
    editor = VSCode(tmp_path, {"budgetai.serverPath": server, **settings})
    try:
        editor.state("no model")
        editor.command("Train on this workspace")
        editor.notes("training for 3m")
        editor.notes("BudgetAI has a new model", patience=1000)
        # A server without model takes the first one up by itself, and is restarted all the same.
        before = editor.server_pid()
        editor.do("click", words="Load it")
        until(lambda: editor.server_pid() not in (0, before), "another server")
        editor.state("ready")
        opened(editor, "new.py", SOURCE)
        editor.type("r")
        suggests(editor, "eturn a - b")
        editor.press("save")
        editor.command("Show the training report")
        until(lambda: "held-out loss" in editor.do("framed").lower(), "report")
    finally:
        editor.close()


def test_training_is_shown_and_can_be_cancelled(tmp_path: Path) -> None:
    (server,) = program(tmp_path)
    script(tmp_path, "train")
    editor = VSCode(tmp_path, {"budgetai.serverPath": server})
    try:
        (editor.workspace / "shapes.py").write_text(SHAPES + "return side * side\n")
        editor.state("no model")
        editor.command("Train on this workspace")
        editor.notes("training for 15m")
        editor.do("click", words="Cancel")
        editor.notes("budgetai-train was cancelled")
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
        until(lambda: editor.says_state() and not editor.says_state("starting"), "settled state")
        assert not (tmp_path / "run").exists()
    finally:
        editor.close()


def test_the_environment_of_a_trusted_workspace_is_used(tmp_path: Path) -> None:
    """The other half of what is passed over where it is not."""
    place = tmp_path / "workspace/.venv/bin"
    place.mkdir(parents=True)
    shutil.copy(program(tmp_path)[0], place)
    editor = VSCode(tmp_path, {}, env={"PATH": without_the_server()})
    try:
        editor.state("no model")
    finally:
        editor.close()


def without_the_server() -> str:
    """The PATH without folders that have it, which are found before anyone is asked."""
    folders = os.environ["PATH"].split(os.pathsep)
    return os.pathsep.join(one for one in folders if not Path(one, "budgetai-server").exists())


def test_without_a_server_it_asks_and_makes_an_environment(tmp_path: Path) -> None:
    python = tmp_path / "python/python3"
    python.parent.mkdir()
    python.symlink_to(sys._base_executable)  # type: ignore[attr-defined]
    path = f"{python.parent}{os.pathsep}{without_the_server()}"
    package = {"budgetai.package": str(make_wheel(tmp_path))}
    editor = VSCode(tmp_path, package, env={"PATH": path})
    private = tmp_path / "machine/data/User/globalStorage/budgetai.budgetai/environment"
    try:
        editor.state("no server")
        editor.notes("Make an environment")
        assert not private.exists()
        editor.do("click", words="Make an environment")
        editor.notes("making an environment")
        until(lambda: editor.says_state("no model"), "server of the environment", patience=180)
        assert (private / "bin/budgetai-server").exists()
    finally:
        editor.close()
