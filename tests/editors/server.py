"""The server as an installed program, for editors that are given one."""

import os
import shlex
import sys
from pathlib import Path


def program(folder: Path) -> list[str]:
    """The command of a server with a home of its own below a folder. It runs this checkout."""
    path = folder / "bin/budgetai-server"
    path.parent.mkdir(exist_ok=True)
    python_path = os.environ.get("PYTHONPATH", "")
    path.write_text(
        "#!/bin/sh\n"
        f"export BUDGETAI_HOME={shlex.quote(str(folder / 'budgetai-home'))}\n"
        f"export PYTHONPATH={shlex.quote(python_path)} HF_HUB_OFFLINE=1\n"
        f'exec {shlex.quote(sys.executable)} -m budgetai_server "$@"\n'
    )
    path.chmod(0o755)
    return [str(path)]
