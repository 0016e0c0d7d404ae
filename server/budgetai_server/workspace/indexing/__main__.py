"""The process that looks at a repository: a request comes in on stdin, batches go out on stdout.

It ends with whoever started it: their end of stdin closes, however they end.
"""

import os
import pickle
import sys
import threading
from contextlib import suppress
from typing import IO

from budgetai_server.workspace.indexing.scan import scan

# What it answers with for a fault of its own; the system has other numbers for a crash.
FAILED = 1
# Below the model's threads, where the system has such an order.
_NICE = 10


def frame(message: object) -> bytes:
    """Return a message with its length before it, as both ends of the pipes write it. Both are
    ours, and of the same version."""
    data = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    return len(data).to_bytes(8, "little") + data


def _end_with(parent: IO[bytes]) -> None:
    parent.read(1)
    os._exit(FAILED)


def main() -> int:
    if sys.platform != "win32":
        with suppress(OSError):
            os.nice(_NICE)
    commands, output = sys.stdin.buffer, sys.stdout.buffer
    request = pickle.loads(commands.read(int.from_bytes(commands.read(8), "little")))
    threading.Thread(target=_end_with, args=(commands,), daemon=True).start()
    try:
        for batch in scan(request):
            output.write(frame(batch))
            output.flush()
    except Exception as error:
        # A traceback could quote what was being read.
        print(f"looking at the repository failed: {type(error).__name__}", file=sys.stderr)
        return FAILED
    return 0


if __name__ == "__main__":
    code = main()
    # The thread that waits for the parent holds stdin, on which an ordinary end would wait.
    sys.stdout.flush()
    os._exit(code)
