"""Our commands, each in a process of its own."""

import json
import subprocess
import sys
from typing import Any


def command(module: str, *arguments: Any) -> dict[str, Any]:
    """Run a command with --json and return what it says."""
    done = subprocess.run(
        [sys.executable, "-m", module, *map(str, arguments), "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result
