"""Whether completions in an editor take longer while a gateway beside it is asked badly.

    python tests/benchmarks/gateway_load.py --model FILE [--rounds 12]

A language server completes at places of its own, in rounds by turns: without load, and while a
gateway of the same repository gets requests that it refuses: wrong keys, pages of a browser, bodies
of 50 MB, connections that say nothing. It prints the median of the ratios of neighbouring rounds,
in which the work of whoever asks badly is, too.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack, suppress
from http.client import HTTPConnection
from pathlib import Path
from socket import create_connection
from typing import Any

PLACES = 6
IDLE = 400
# Seconds between two pairs of refused requests, and between two large bodies.
PACE, LARGE_PACE = 0.1, 5.0
TEXT = "import math\n\n\ndef add_{0}(a, b):\n    return a + b\n\n\ndef sub_{0}(a, b):\n    r"


class Editor:
    """A language server, and the barest client of it."""

    def __init__(self, root: Path, model: Path) -> None:
        command = [sys.executable, "-m", "budgetai_server", "--model", str(model)]
        self.server = subprocess.Popen(
            [*command, "--threads", "1"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self._number = 0
        self.ask("initialize", {"processId": None, "rootUri": root.as_uri(), "capabilities": {}})
        self.send("initialized", {})
        while self.ask("budgetai/status", None)["state"] == "starting":
            time.sleep(0.2)
        self._root = root

    def send(self, method: str, parameters: Any, **more: Any) -> None:
        message = {"jsonrpc": "2.0", "method": method, "params": parameters, **more}
        body = json.dumps(message).encode()
        assert self.server.stdin
        self.server.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self.server.stdin.flush()

    def ask(self, method: str, parameters: Any) -> Any:
        self._number += 1
        self.send(method, parameters, id=self._number)
        assert self.server.stdout
        while True:
            length = int(self.server.stdout.readline().split(b":")[1])
            while self.server.stdout.readline().strip():
                pass
            answer = json.loads(self.server.stdout.read(length))
            if answer.get("id") == self._number and "method" not in answer:
                return answer["result"]

    def round(self, number: int) -> float:
        """Return the seconds that completions at places of a round take together."""
        seconds = 0.0
        for place in range(PLACES):
            text = TEXT.format(f"{number}_{place}")
            uri = (self._root / f"round_{number}_{place}.py").as_uri()
            document = {"uri": uri, "languageId": "python", "version": 1, "text": text}
            self.send("textDocument/didOpen", {"textDocument": document})
            at = {"line": text.count("\n"), "character": len(text.rpartition("\n")[2])}
            began = time.perf_counter()
            self.ask("textDocument/completion", {"textDocument": {"uri": uri}, "position": at})
            seconds += time.perf_counter() - began
            self.send("textDocument/didClose", {"textDocument": {"uri": uri}})
        return seconds


def load(port: int, over: threading.Event) -> None:
    """Ask badly until it is over."""
    large = time.monotonic()
    with ExitStack() as idle:
        for _ in range(IDLE):
            idle.enter_context(create_connection(("127.0.0.1", port)))
        while not over.wait(PACE):
            with suppress(OSError):
                refused(port, {"Authorization": "Bearer wrong"})
                refused(port, {"Origin": "https://example.com"})
            if time.monotonic() - large > LARGE_PACE:
                large = time.monotonic()
                with suppress(OSError):
                    refused(port, {"Authorization": "Bearer wrong"}, b"x" * 50_000_000)


def refused(port: int, headers: dict[str, str], body: bytes = b"{}") -> None:
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("POST", "/infill", body, headers)
    assert connection.getresponse().status in (401, 403, 413, 503)
    connection.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=12)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp())
    os.environ["BUDGETAI_HOME"] = str(folder / "home")
    root = folder / "repository"
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    command = [sys.executable, "-m", "budgetai", "gateway", "--port", "0", "--repo", str(root)]
    gateway = subprocess.Popen(
        [*command, "--model", str(options.model), "--threads", "1"],
        stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    editor = Editor(root, options.model)
    try:
        assert gateway.stdout
        port = int(gateway.stdout.readline().split(":")[3].split(",")[0])
        editor.round(0)
        ratios = []
        for number in range(1, options.rounds + 1):
            quiet, loaded = 0.0, 0.0
            # Which of the two comes first changes: the machine may grow slower.
            for is_loaded in (number % 2 == 0, number % 2 == 1):
                over = threading.Event()
                asking = threading.Thread(target=load, args=(port, over))
                if is_loaded:
                    asking.start()
                    time.sleep(0.5)
                seconds = editor.round(2 * number + is_loaded)
                over.set()
                if is_loaded:
                    asking.join()
                    loaded = seconds
                else:
                    quiet = seconds
            ratios.append(loaded / quiet)
            print(f"{number}: {quiet:.2f} s without, {loaded:.2f} s with load", flush=True)
        low, middle, high = statistics.quantiles(ratios, n=4)
        print(f"with load {middle:.3f} x as long as without (quartiles {low:.3f}, {high:.3f})")
    finally:
        for process in (gateway, editor.server):
            process.terminate()
            process.wait(30)
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
