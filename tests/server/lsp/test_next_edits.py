"""The next edit as the protocol says it: for our own clients, and in Copilot's words."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from lsprotocol import types
from pygls.workspace import Workspace

from budgetai_server.lsp import next_edits, text_sync
from budgetai_server.next_edit import edit_session
from budgetai_server.options import ServerOptions
from budgetai_server.workspace.session import Session
from budgetai_server.workspace.text_document import Document
from budgetai_server.workspace.usage.store import read_edits
from budgetai_server.workspace.usage.usage_report import edits_summary

CALL = "def f{0}():\n    page = fetch_page(url{0}, '🎉')\n    show({0})\n\n\n"
CALLS = "".join(map(CALL.format, range(6)))


class Client:
    """What an editor does to a server that has no process of its own."""

    def __init__(self, root: Path, **options: Any) -> None:
        session = Session(ServerOptions(**options), (root,), trusted=True)
        workspace = Workspace(root.as_uri(), types.TextDocumentSyncKind.Incremental)
        vars(workspace)["_create_text_document"] = Document
        self.server: Any = SimpleNamespace(
            session=session, workspace=workspace, forget_finished=lambda: None
        )
        self.root = root

    def uri(self, name: str) -> str:
        return (self.root / name).as_uri()

    def open(self, name: str, text: str) -> None:
        item = types.TextDocumentItem(self.uri(name), "python", 1, text)
        self.server.workspace.put_text_document(item)
        asyncio.run(text_sync.did_open(self.server, types.DidOpenTextDocumentParams(item)))

    def source(self, name: str) -> str:
        return str(self.server.workspace.get_text_document(self.uri(name)).source)

    def put(self, name: str, text: str) -> None:
        version = self.server.workspace.get_text_document(self.uri(name)).version + 1
        identifier = types.VersionedTextDocumentIdentifier(version, self.uri(name))
        change = types.TextDocumentContentChangeWholeDocument(text)
        self.server.workspace.update_text_document(identifier, change)
        params = types.DidChangeTextDocumentParams(identifier, [change])
        text_sync.did_change(self.server, params)

    def edit(self, name: str, old: str, new: str) -> None:
        self.put(name, self.source(name).replace(old, new, 1))

    def ask(self, method: Any, name: str, **more: Any) -> Any:
        version = self.server.workspace.get_text_document(self.uri(name)).version
        document = SimpleNamespace(uri=self.uri(name), version=version)
        vars(document).update(more)
        return asyncio.run(method(self.server, SimpleNamespace(textDocument=document)))

    def rename_two(self, name: str = "a.py", method: Any = next_edits.next_edit) -> Any:
        for _ in range(2):
            self.edit(name, "fetch_page", "load_page")
            answer = self.ask(method, name)
        return answer


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Client:
    monkeypatch.setattr(edit_session, "SETTLED_SECONDS", 0)
    client = Client(tmp_path)
    client.open("a.py", CALLS)
    return client


def applied(source: str, edit: dict[str, Any]) -> str:
    """The document as an editor makes it: Unicode is counted in units of UTF-16."""
    lines = source.split("\n")

    def offset(position: types.Position) -> int:
        line = lines[position.line].encode("utf-16-le")
        inside: str = line[: 2 * position.character].decode("utf-16-le")
        return sum(len(other) + 1 for other in lines[: position.line]) + len(inside)

    start, end = offset(edit["range"].start), offset(edit["range"].end)
    return source[:start] + str(edit["text"]) + source[end:]


def test_our_clients_get_an_edit_of_the_version(client: Client) -> None:
    answer = client.rename_two()
    edit = answer["edit"]
    assert edit["textDocument"] == {"uri": client.uri("a.py"), "version": 3}
    assert edit["range"].start == types.Position(11, 0)
    assert applied(client.source("a.py"), edit) == CALLS.replace("fetch_page", "load_page", 3)
    assert answer["accepted"] == next_edits.ACCEPTED


def test_copilots_plugins_get_what_their_recordings_want(client: Client) -> None:
    (edit,) = client.rename_two(method=next_edits.copilot_inline_edit)["edits"]
    assert edit["textDocument"]["version"] == 3
    assert edit["command"].command == "github.copilot.didAcceptNextEditSuggestionItem"
    assert isinstance(edit["command"].arguments[0], int)
    assert edit["range"].start.character == 0
    assert "\n" not in edit["text"]


@pytest.mark.parametrize("more", [{"version": 2}, {"version": 9}, {"uri": "file:///gone.py"}])
def test_of_another_version_there_is_none(client: Client, more: dict[str, Any]) -> None:
    client.rename_two()
    assert client.ask(next_edits.next_edit, "a.py", **more) == {"edit": None}
    assert client.ask(next_edits.copilot_inline_edit, "a.py", **more) == {"edits": []}


@pytest.mark.parametrize("params", [None, SimpleNamespace(), SimpleNamespace(textDocument=3)])
def test_broken_requests_are_answered(client: Client, params: Any) -> None:
    answer = asyncio.run(next_edits.next_edit(client.server, params))
    assert answer == {"edit": None}


def test_line_ends_stay(client: Client) -> None:
    client.open("b.py", CALLS.replace("\n", "\r\n"))
    edit = client.rename_two("b.py")["edit"]
    made = applied(client.source("b.py"), edit)
    assert made == CALLS.replace("fetch_page", "load_page", 3).replace("\n", "\r\n")


def test_dismissed_and_accepted(client: Client) -> None:
    answer = client.rename_two()
    next_edits.dismissed(client.server, answer["number"])
    assert client.ask(next_edits.next_edit, "a.py") == {"edit": None}
    for wrong in ((), ("x",), (999,)):
        next_edits.accepted(client.server, *wrong)


def test_they_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edit_session, "SETTLED_SECONDS", 0)
    monkeypatch.setenv("BUDGETAI_HOME", str(tmp_path / "home"))
    client = Client(tmp_path)
    client.open("a.py", CALLS)
    edit = client.rename_two()["edit"]
    client.put("a.py", applied(client.source("a.py"), edit))
    answer = client.ask(next_edits.next_edit, "a.py")
    next_edits.dismissed(client.server, answer["number"])
    client.server.session.close()
    (file,) = (tmp_path / "home").rglob("*.sqlite*")
    rows = read_edits(file)
    assert [row.fate for row in rows] == ["accepted", "dismissed"]
    assert edits_summary(rows).shown == 2


def test_files_of_secrets_and_without_the_option_have_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edit_session, "SETTLED_SECONDS", 0)
    for name, options in ((".env", {}), ("a.py", {"next_edits": False})):
        client = Client(tmp_path, usage=False, **options)
        client.open(name, CALLS)
        assert client.rename_two(name) == {"edit": None}


@pytest.mark.parametrize(
    ("first", "last", "new"),
    [(0, 0, ("x",)), (2, 2, ("x", "y")), (3, 3, ("x",)), (0, 1, ()), (2, 3, ()), (0, 3, ("x",))],
)
@pytest.mark.parametrize("end", ["", "\n"])
def test_whole_lines_come_and_go(first: int, last: int, new: tuple[str, ...], end: str) -> None:
    source = "a\nb\nc" + end
    proposal: Any = SimpleNamespace(first=first, last=last, new=new)
    text, place = next_edits._whole_lines(Document("file:///a.py", source), proposal)
    lines = source.split("\n")
    expected = "\n".join([*lines[:first], *new, *lines[last:]])
    assert applied(source, {"text": text, "range": place}) == expected
