"""Our commands, each in a process of its own."""

import json
from typing import Any

from support import forked


def command(module: str, *arguments: Any) -> dict[str, Any]:
    """Run a command with --json and return what it says."""
    done = forked.run("-m", module, *arguments, "--json", timeout=None)
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result
