"""The server as an installed program, a workspace for it, and the lines that pages print."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from budgetai_core.artifacts import layout
from budgetai_core.artifacts.base_models import EMBEDDED, resolve

MODULES = {
    "server": "budgetai_server",
    "train": "budgetai_training",
    "convert": "budgetai_convert",
    "eval": "budgetai_server.cli.evaluate",
}


def program(folder: Path, *flags: str) -> list[str]:
    """The command of a server with a home of its own below a folder. It runs this checkout."""
    return [str(script(folder, "server", *flags))]


def script(folder: Path, name: str, *flags: str) -> Path:
    """One of our programs, beside the others."""
    path = folder / f"bin/budgetai-{name}"
    path.parent.mkdir(exist_ok=True)
    module = MODULES[name]
    python_path = os.environ.get("PYTHONPATH", "")
    path.write_text(
        "#!/bin/sh\n"
        f"export BUDGETAI_HOME={shlex.quote(str(folder / 'budgetai-home'))}\n"
        f"export PYTHONPATH={shlex.quote(python_path)} HF_HUB_OFFLINE=1\n"
        f'exec {shlex.join([sys.executable, "-m", module, *flags])} "$@"\n'
    )
    path.chmod(0o755)
    return path


@contextmanager
def running_gateway(folder: Path, *flags: str) -> Iterator[tuple[str, str]]:
    """The address of a gateway for a repository below a folder, and its key."""
    repository = folder / "repository"
    repository.mkdir()
    command = [
        sys.executable,
        "-m",
        "budgetai",
        "gateway",
        "--port",
        "0",
        "--repo",
        str(repository),
    ]
    env = {**os.environ, "BUDGETAI_HOME": str(folder), "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen([*command, *flags], env=env, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    try:
        address = process.stdout.readline().split()[1].rstrip(",")
        yield address, (folder / "gateway.key").read_text().strip()
    finally:
        process.terminate()
        process.wait(30)
        process.stdout.close()


def workspace_without_model(folder: Path) -> tuple[Path, dict[str, str]]:
    """A repository below a folder, and an environment for an editor that has the server on its
    PATH."""
    # What a small model is sure of differs with what it is shown, and so with the machine's speed.
    command = Path(program(folder, "--min-confidence", "0")[0])
    workspace = folder / "workspace"
    (workspace / ".git").mkdir(parents=True)
    path = f"{command.parent}:{os.environ['PATH']}"
    return workspace, {"TERM": "screen-256color", "LANG": "C.UTF-8", "PATH": path}


def workspace_with_model(folder: Path) -> tuple[Path, dict[str, str]]:
    """The same with a model made for the repository."""
    workspace, env = workspace_without_model(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BUDGETAI_HOME", str(folder / "budgetai-home"))
        model = layout.new_model(workspace, "Q4_1")
    model.parent.mkdir(parents=True)
    base = resolve(EMBEDDED).path
    assert base is not None
    model.symlink_to(base)
    return workspace, env


def printed(page: Path, language: str) -> list[str]:
    """The blocks of a language on a page."""
    text = page.read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def there(editors: Path, name: str) -> None:
    """Skip where an editor could not be fetched."""
    missing = editors / f"{name}.missing"
    if missing.exists():
        pytest.skip(missing.read_text().strip())
