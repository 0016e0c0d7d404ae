"""What plugins made for Copilot say, to the real server with the real embedded model."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from budgetai_core.artifacts.base_models import EMBEDDED, resolve
from budgetai_server.cli.demo_editor import position_after
from support import serving

BASE = resolve(EMBEDDED).path
ABOVE = "def add(a, b):\n    return a + b\n\n\ndef sub(a, b):\n    "
SOURCE = ABOVE + 'party = "🎉"; retur'
SETTINGS = ("--model", str(BASE), "--min-confidence", "0")
URI = "file:///x.py"
CLIENT = {
    "editorInfo": {"name": "Neovim", "version": "0.12.4"},
    "editorPluginInfo": {"name": "copilot.lua", "version": "1"},
}


class Plugin:
    """A server as a process, and the bare JSON that a plugin sends it."""

    def __init__(self, root: Path, options: dict[str, Any] | None) -> None:
        self.messages: list[Any] = []
        self._number = 0
        self._errors = (root / "stderr").open("wb")
        self._server = subprocess.Popen(
            serving.command("--stdio", *SETTINGS),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
        )
        asked: dict[str, Any] = {"processId": None, "rootUri": root.as_uri(), "capabilities": {}}
        self.initialized = self.ask("initialize", {**asked, "initializationOptions": options})
        self.send("initialized", {})
        while "BudgetAI serves" not in json.dumps(self.messages[-1]):
            self._receive()
        self.open(URI, SOURCE + "\n")

    def open(self, uri: str, text: str) -> None:
        document = {"uri": uri, "languageId": "python", "version": 1, "text": text}
        self.send("textDocument/didOpen", {"textDocument": document})

    def send(self, method: str, params: Any, number: int | str | None = None) -> None:
        message = {"jsonrpc": "2.0", "method": method, "params": params}
        body = json.dumps(message if number is None else {**message, "id": number}).encode()
        assert self._server.stdin
        self._server.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self._server.stdin.flush()

    def begin(self, method: str, params: Any) -> int:
        """Send a request, and return its id."""
        self._number += 1
        self.send(method, params, self._number)
        return self._number

    def result(self, number: int) -> Any:
        """The result of a request. Any error fails."""
        while True:
            for message in self.messages:
                if message.get("id") == number:
                    assert "error" not in message, message
                    return message["result"]
            self._receive()

    def ask(self, method: str, params: Any) -> Any:
        return self.result(self.begin(method, params))

    def _receive(self) -> None:
        assert self._server.stdout
        length = int(self._server.stdout.readline().split(b":")[1])
        while self._server.stdout.readline().strip():
            pass
        self.messages.append(json.loads(self._server.stdout.read(length)))

    def close(self) -> None:
        self.ask("shutdown", None)
        self.send("exit", None)
        assert self._server.wait(30) == 0
        for pipe in (self._server.stdin, self._server.stdout, self._errors):
            assert pipe
            pipe.close()


@pytest.fixture(scope="module")
def plugin(speeds: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plugin]:
    plugin = Plugin(tmp_path_factory.mktemp("copilot"), CLIENT)
    yield plugin
    plugin.close()


def at(text: str) -> dict[str, int]:
    position = position_after(text)
    return {"line": position.line, "character": position.character}


def doc(text: str, **more: Any) -> dict[str, Any]:
    """The parameters of getCompletions as copilot.lua sends them."""
    place = at(text)
    inside = {"uri": URI, "version": 1, "position": place, "tabSize": 4, "insertSpaces": True}
    identifier = {"uri": URI, "version": 1, "relativePath": "x.py"}
    return {"doc": inside | more, "position": place, "textDocument": identifier, "_": True}


def inline(text: str) -> dict[str, Any]:
    """The parameters of inlineCompletion as copilot.vim sends them."""
    return {
        "textDocument": {"uri": URI, "version": 1},
        "position": at(text),
        "context": {"triggerKind": 2},
        "formattingOptions": {"tabSize": 4, "insertSpaces": True},
    }


def test_nobody_has_to_sign_in_and_nothing_is_an_error(plugin: Plugin) -> None:
    assert plugin.initialized["serverInfo"]["name"]
    assert plugin.initialized["capabilities"]["textDocumentSync"]
    assert "setting" not in json.dumps(plugin.messages)
    plugin.send("workspace/didChangeConfiguration", {"settings": {"telemetry": {}}})
    for method in ("checkStatus", "signInConfirm", "signOut"):
        assert plugin.ask(method, {"_": True}) == {"status": "OK", "user": "local"}
    for method in ("signIn", "signInInitiate"):
        assert plugin.ask(method, {})["status"] == "AlreadySignedIn"
    assert plugin.ask("getVersion", {})["version"]
    taken = {"uuid": "budgetai-1", "acceptedLength": 4}
    for method in ("setEditorInfo", "notifyShown", "notifyAccepted"):
        assert plugin.ask(method, taken) == "OK"
    assert plugin.ask("notifyRejected", {"uuids": ["budgetai-1"]}) == "OK"
    assert plugin.ask("textDocument/copilotInlineEdit", inline(SOURCE)) == {"edits": []}
    assert plugin.ask("copilot/models", {}) == []
    for method in ("didFocus", "didShowCompletion", "didShowInlineEdit"):
        plugin.send(f"textDocument/{method}", {"textDocument": {"uri": URI}})
    # Ids that were answered long ago, and that never were.
    for number in (1, 4711, "never"):
        plugin.send("$/cancelRequest", {"id": number})
    named = plugin.initialized["capabilities"]["executeCommandProvider"]["commands"]
    for command in [name for name in named if "copilot" in name]:
        asked = {"command": command, "arguments": ["id-0", 3]}
        assert plugin.ask("workspace/executeCommand", asked) is None
    assert len([name for name in named if "copilot" in name]) == 6


@pytest.mark.parametrize("method", ["getCompletions", "getCompletionsCycling"])
def test_a_completion_is_a_whole_line_in_utf_16(plugin: Plugin, method: str) -> None:
    (item,) = plugin.ask(method, doc(SOURCE))["completions"]
    begun = SOURCE.rpartition("\n")[2]
    assert item["text"] == begun + item["displayText"]
    assert item["displayText"].startswith("n ")
    assert item["uuid"] and item["docVersion"] == 1
    assert item["range"] == {"start": {"line": 5, "character": 0}, "end": at(SOURCE)}
    assert item["position"] == at(SOURCE)
    (whole,) = plugin.ask("textDocument/inlineCompletion", inline(SOURCE))["items"]
    assert (whole["insertText"], whole["range"]) == (item["text"], item["range"])
    asked = {key: whole["command"][key] for key in ("command", "arguments")}
    assert plugin.ask("workspace/executeCommand", asked) is None


@pytest.mark.parametrize(
    "params",
    [{}, {"doc": None}, doc("", uri="file:///other.py"), doc("", position="here"),
     doc("", position={"line": -1, "character": 0})],
)  # fmt: skip
def test_where_there_is_nothing_to_say_the_list_is_empty(plugin: Plugin, params: Any) -> None:
    assert plugin.ask("getCompletions", params) == {"completions": []}


def test_a_document_that_is_not_open_has_no_items(plugin: Plugin) -> None:
    asked = inline("") | {"textDocument": {"uri": "file:///other.py"}}
    assert plugin.ask("textDocument/inlineCompletion", asked) == {"items": []}


def test_five_requests_for_a_place_are_one_generation(plugin: Plugin) -> None:
    """blink-copilot asks up to four more times after each answer."""
    plugin.open("file:///five.py", ABOVE + "retu\n")
    asked = inline(ABOVE + "retu") | {"textDocument": {"uri": "file:///five.py"}}
    before = plugin.ask("budgetai/status", {})["usage"]
    method = "textDocument/inlineCompletion"
    numbers = [plugin.begin(method, asked) for _ in range(5)]
    texts = [plugin.result(number)["items"][0]["insertText"] for number in numbers]
    assert len(set(texts)) == 1
    usage = plugin.ask("budgetai/status", {})["usage"]
    assert usage["requests"] == before["requests"] + 5
    plugin.ask(method, asked)
    assert plugin.ask("budgetai/status", {})["usage"]["answer_tokens"] == usage["answer_tokens"]


def test_older_places_are_answered_first_and_empty(plugin: Plugin) -> None:
    """copilot.lua cancels none, and shows whatever comes last."""
    uri, typed = "file:///typed.py", ABOVE
    plugin.open(uri, typed + "\n")
    numbers = []
    # Other words than the model has in mind: none of them is answered from what was generated.
    for version, key in enumerate("result = a", 2):
        change = {"range": {"start": at(typed), "end": at(typed)}, "text": key}
        identifier = {"uri": uri, "version": version}
        plugin.send(
            "textDocument/didChange", {"textDocument": identifier, "contentChanges": [change]}
        )
        typed += key
        numbers.append(plugin.begin("getCompletions", doc(typed, uri=uri, version=version)))
    counts = [len(plugin.result(number)["completions"]) for number in numbers]
    order = [message["id"] for message in plugin.messages if message.get("id") in numbers]
    assert order == numbers
    assert counts == [0] * 9 + [1]


@pytest.mark.usefixtures("measured_before")
def test_others_are_not_told_of_commands_that_are_copilots(tmp_path: Path) -> None:
    """VS Code refuses a second program with commands of the same names."""
    plugin = Plugin(tmp_path, None)
    plugin.close()
    commands = plugin.initialized["capabilities"]["executeCommandProvider"]["commands"]
    assert commands
    assert not [name for name in commands if "copilot" in name]
