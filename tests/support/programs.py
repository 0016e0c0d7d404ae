"""llama.cpp's own programs and scripts, built from the source that lies in llama-cpp-python's.
BUDGETAI_PEERS names the folder of the programs."""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from socket import socket
from typing import Any
from urllib.request import Request, urlopen

CACHE = Path.home() / ".cache" / "budgetai-bench"
BUILT = Path(os.environ.get("BUDGETAI_PEERS", CACHE / "llama.cpp-0.3.36" / "build" / "bin"))
_READY_WITHIN = 60.0


def vendored() -> Path:
    return next(BUILT.parents[1].glob("*/vendor/llama.cpp"))


def run(*command: object) -> str:
    """What a program prints; it must end well."""
    place = {**os.environ, "PYTHONPATH": str(vendored() / "gguf-py"), "NO_LOCAL_GGUF": ""}
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        errors="replace",
        env=place,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@contextmanager
def serving(*arguments: object) -> Iterator[str]:
    """A llama-server's address."""
    with socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    flags = ("--host", "127.0.0.1", "--port", port, "-t", 1, "-np", 1, "-c", 512, "--no-ui")
    command = [str(part) for part in (BUILT / "llama-server", *flags, *arguments)]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet) as server:
        try:
            _wait(f"http://127.0.0.1:{port}/health", server)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()


def ask(address: str, **what: Any) -> dict[str, Any]:
    """The JSON answer to a JSON question. Raises HTTPError for a refusal."""
    body = json.dumps(what).encode()
    with urlopen(Request(address, body, {"Content-Type": "application/json"}), timeout=60) as said:
        found: dict[str, Any] = json.load(said)
    return found


def _wait(address: str, server: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + _READY_WITHIN
    while time.monotonic() < until and server.poll() is None:
        with suppress(OSError):
            urlopen(address, timeout=5).close()
            return
        time.sleep(0.1)
    raise AssertionError(f"llama-server does not start (exit code {server.poll()})")
