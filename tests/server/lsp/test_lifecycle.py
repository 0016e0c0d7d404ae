"""What the server ends for, without a traceback: a client that is gone, a closed pipe, a signal."""

import json
import logging
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from lsprotocol import types

from budgetai_core.artifacts import layout
from budgetai_core.command import PIPE_CLOSED
from budgetai_server.cli.server import without_values
from budgetai_server.lsp import lifecycle
from support import serving

SECONDS = 60


class Client:
    """A server as a process, and the barest client of it."""

    def __init__(self, root: Path, *, wait: bool = True, **parameters: Any) -> None:
        self.messages: list[Any] = []
        root.mkdir(exist_ok=True)
        self.errors = root / "stderr"
        with self.errors.open("wb") as errors:
            self.server = subprocess.Popen(
                serving.command(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env={**os.environ, "BUDGETAI_HOME": str(root / "data")},
            )
        asked = {"processId": None, "rootUri": root.as_uri(), "capabilities": {}, **parameters}
        self.send("initialize", asked, 1)
        self.answer(1)
        self.send("initialized", {})
        # It has looked for a model, and the event loop is at rest.
        while wait and "no model" not in json.dumps(self.messages[-1]):
            self.receive()

    def send(self, method: str, parameters: Any, number: int | None = None) -> None:
        message = {"jsonrpc": "2.0", "method": method, "params": parameters}
        body = json.dumps(message if number is None else {**message, "id": number}).encode()
        assert self.server.stdin
        self.server.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self.server.stdin.flush()

    def receive(self) -> Any:
        assert self.server.stdout
        length = int(self.server.stdout.readline().split(b":")[1])
        while self.server.stdout.readline().strip():
            pass
        self.messages.append(json.loads(self.server.stdout.read(length)))
        return self.messages[-1]

    def answer(self, number: int) -> Any:
        while (message := self.receive()).get("id") != number:
            pass
        return message

    def ended(self) -> int:
        """The exit code; there is no traceback."""
        code = self.server.wait(SECONDS)
        for pipe in (self.server.stdin, self.server.stdout):
            # What was not read any more is still in its buffer.
            with suppress(BrokenPipeError):
                assert pipe
                pipe.close()
        assert "Traceback" not in self.errors.read_text()
        assert "Exception ignored" not in self.errors.read_text()
        return code


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path


def test_it_ends_with_its_client_though_the_pipe_stays_open(root: Path) -> None:
    """Whether anyone waits for the client's process or not. One of another container, whose process
    is not there to be seen, is not waited for."""
    waited, zombie = (
        subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) for _ in range(2)
    )
    numbers = (waited.pid, zombie.pid, 2**22 + 5)
    clients = [Client(root / str(number), processId=number) for number in numbers]
    # It has looked for them once at least.
    time.sleep(3)
    assert [client.server.poll() for client in clients] == [None] * 3
    for editor in (waited, zombie):
        assert editor.stdin
        editor.stdin.close()
    waited.wait()
    *ended, other = clients
    assert [client.ended() for client in ended] == [1, 1]
    zombie.wait()
    assert other.server.poll() is None
    other.server.kill()


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT"])
def test_it_ends_by_a_signal(root: Path, name: str) -> None:
    client = Client(root)
    client.server.send_signal(getattr(signal, name))
    assert client.ended() == 128 + getattr(signal, name)


def test_it_ends_when_its_input_is_closed(root: Path) -> None:
    client = Client(root)
    assert client.server.stdin
    client.server.stdin.close()
    assert client.ended() == 0


@pytest.mark.parametrize("input_too", [False, True])
def test_it_ends_when_nobody_reads_what_it_says(root: Path, input_too: bool) -> None:
    client = Client(root)
    assert client.server.stdout and client.server.stdin
    client.server.stdout.close()
    client.send("budgetai/status", None, 2)
    if input_too:
        client.server.stdin.close()
    assert client.ended() in (0, PIPE_CLOSED)


def test_a_home_folder_is_no_workspace(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user is told so, once; a project in it is one."""
    home = root / "people" / "me"
    (home / "project").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    client = Client(root, rootUri=home.as_uri())
    told = [message for message in client.messages if "your home folder" in json.dumps(message)]
    assert len(told) == 1
    assert told[0]["method"] == "window/showMessage"
    assert told[0]["params"]["message"].startswith(f"BudgetAI: {home} is not")
    client.server.kill()
    client = Client(root, rootUri=(home / "project").as_uri())
    assert "your home folder" not in json.dumps(client.messages)
    client.server.kill()


def test_what_holds_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "me")
    (tmp_path / "me" / "project").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "me")
    for folder in ("me", ".", "link", "me/project/..", "/"):
        assert lifecycle._roots(parameters(tmp_path / folder)) == ((), (tmp_path / folder,))
    for folder in ("me/project", "other"):
        assert lifecycle._roots(parameters(tmp_path / folder)) == ((tmp_path / folder,), ())


def parameters(root: Path) -> types.InitializeParams:
    return types.InitializeParams(types.ClientCapabilities(), root_uri=root.as_uri())


@pytest.mark.parametrize("message", [b"{{{", b"[1, 2]", b'"x"', b"null", b"{}", b"\xff\xfe"])
def test_a_message_that_is_none_is_told_in_a_line(root: Path, message: bytes) -> None:
    client = Client(root)
    assert client.server.stdin
    client.server.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(message), message))
    client.server.stdin.flush()
    client.send("shutdown", None, 2)
    assert client.answer(2)["result"] is None
    client.send("exit", None)
    assert client.ended() == 0
    assert "protocol error" in client.errors.read_text()


def test_a_request_that_is_not_understood_is_answered(root: Path) -> None:
    client = Client(root)
    client.send("textDocument/completion", {"textDocument": 1}, 2)
    assert client.answer(2)["error"]["message"] == "Invalid Params"
    client.send("shutdown", None, 3)
    assert client.answer(3)["result"] is None
    client.send("exit", None)
    assert client.ended() == 0


@pytest.mark.parametrize(
    "named",
    [
        {"rootUri": "file:///a%00b"},
        {"rootPath": "/a\0b"},
        {"workspaceFolders": [{"uri": "file:///a%00b", "name": "a"}]},
        {"rootUri": "untitled:a"},
    ],
    ids=str,
)
def test_a_workspace_that_cannot_be_is_none(root: Path, named: dict[str, Any]) -> None:
    client = Client(root, **({"rootUri": None} | named))
    client.send("budgetai/status", None, 2)
    assert client.answer(2)["result"]["state"] == "no-model"
    client.send("shutdown", None, 3)
    client.answer(3)
    client.send("exit", None)
    assert client.ended() == 0


def test_it_ends_while_it_starts(root: Path) -> None:
    client = Client(root, wait=False)
    client.send("shutdown", None, 2)
    assert client.answer(2)["result"] is None
    client.send("exit", None)
    assert client.ended() == 0


@pytest.mark.parametrize(
    "message",
    [
        {"jsonrpc": "1.0", "id": 7, "method": "shutdown", "params": {"text": "canary_value"}},
        {"jsonrpc": "2.0", "method": "textDocument/didOpen", "params": {"text": "canary_value"}},
        {"jsonrpc": "2.0", "id": "canary value()", "result": "canary_value"},
    ],
)
def test_no_message_is_logged(root: Path, message: dict[str, object]) -> None:
    client = Client(root)
    body = json.dumps(message).encode()
    assert client.server.stdin
    client.server.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
    client.send("shutdown", None, 2)
    assert client.answer(2)["result"] is None
    client.send("exit", None)
    assert client.ended() == 0
    assert "canary_value" not in client.errors.read_text()
    assert "canary value" not in client.errors.read_text()


def test_parameters_of_a_failed_handler_are_not_logged() -> None:
    record = logging.LogRecord(
        "pygls.protocol", logging.ERROR, "", 1, "Failed to handle %s %s %s",
        (3, "textDocument/didChange", {"text": "canary_value"}), None,
    )  # fmt: skip
    assert without_values(record)
    assert record.getMessage() == "Failed to handle 3 textDocument/didChange (dict)"


def test_a_folder_that_is_named_later_is_the_workspace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """copilot.el starts one server, perhaps in a buffer without a file. Only the first folder
    counts: its documents and its model are what the server then knows."""
    folder, other = tmp_path / "project", tmp_path / "other"
    (folder / ".git").mkdir(parents=True)
    monkeypatch.setenv("BUDGETAI_HOME", str(tmp_path / "server" / "data"))
    model = layout.new_model(folder, "Q8_0")
    model.parent.mkdir(parents=True)
    model.write_bytes(b"no model")
    client = Client(tmp_path / "server", rootUri=None)

    def state(number: int) -> Any:
        client.send("budgetai/status", None, number)
        return client.answer(number)["result"]

    assert state(2)["state"] == "no-model"
    for number, named in enumerate((folder, other), start=3):
        added = [{"uri": named.as_uri(), "name": named.name}]
        client.send(
            "workspace/didChangeWorkspaceFolders", {"event": {"added": added, "removed": []}}
        )
        until = time.monotonic() + SECONDS
        while state(number * 1000)["state"] != "error" and time.monotonic() < until:
            time.sleep(0.05)
        assert str(model) in state(number)["message"]
    client.send("shutdown", None, 2_000)
    client.answer(2_000)
    client.send("exit", None)
    assert client.ended() == 0
