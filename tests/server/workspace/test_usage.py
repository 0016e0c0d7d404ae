"""Recorded usage: what is written of items, what is not, and how it is read."""

import asyncio
import json
import stat
from pathlib import Path

import pytest
from lsprotocol import types

from budgetai_core.artifacts import layout
from budgetai_core.artifacts.base_models import EMBEDDED, resolve
from budgetai_core.context.prompt import Snapshot
from budgetai_server.cli import evaluate
from budgetai_server.cli.demo_editor import Editor, position_after
from budgetai_server.completion.acceptance import Acceptance
from budgetai_server.completion.text_edit import Suggestion
from budgetai_server.workspace.usage.recorder import UsageRecorder
from budgetai_server.workspace.usage.store import Row, UsageStore, read
from budgetai_server.workspace.usage.usage_report import by_language, summary
from support.serving import started

pytestmark = pytest.mark.usefixtures("measured_before")

BASE = resolve(EMBEDDED).path
SOURCE = "import math\n\n\ndef add(a, b):\n    return a + b\n\n\ndef sub(a, b):\n    "


class Document:
    """A document in which items are shown at its end."""

    def __init__(self, file: Path | None) -> None:
        self.text: str | None = "x = "
        self.usage = UsageRecorder(file, lambda uri: self.text, kept_after=0.01)
        self.acceptance = Acceptance(self.usage.record_outcome)

    def offer(self, text: str) -> int:
        source = self.text or ""
        snapshot = Snapshot("r", "x.py", source, len(source))
        number = self.acceptance.record_shown("x", snapshot, Suggestion(text))
        self.usage.record_shown(number, "python", 0.125)
        return number

    def change(self, text: str) -> None:
        self.text = text
        self.acceptance.change("x", text)


async def looked() -> None:
    await asyncio.sleep(0.05)


@pytest.mark.asyncio
async def test_accepted_and_kept_or_not(tmp_path: Path) -> None:
    file = tmp_path / "usage.sqlite"
    document = Document(file)
    document.offer("compute(1)")
    document.change("x = compute(1)")
    await looked()
    document.offer("\ny = 2")
    document.change("x = compute(1)\ny = 2")
    document.change("x = compute(1)\n")
    await looked()
    row = Row("python", 125, 10, 1, "accepted", True)
    assert read(file) == [row, Row("python", 125, 6, 2, "accepted", False)]
    document.usage.close()


@pytest.mark.asyncio
async def test_a_closed_document_tells_nothing(tmp_path: Path) -> None:
    file = tmp_path / "usage.sqlite"
    document = Document(file)
    document.offer("compute(1)")
    document.change("x = compute(1)")
    document.text = None
    await looked()
    assert [row.kept for row in read(file)] == [None]


@pytest.mark.asyncio
async def test_what_the_editor_says_corrects_a_row(tmp_path: Path) -> None:
    file = tmp_path / "usage.sqlite"
    document = Document(file)
    number = document.offer("foo")
    document.change("x = Foo")
    assert [row.fate for row in read(file)] == ["dismissed"]
    document.acceptance.confirm(number)
    assert [row.fate for row in read(file)] == ["accepted"]


@pytest.mark.asyncio
async def test_nothing_is_written_without_a_file_or_where_none_can_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for file in (None, tmp_path / "file/usage.sqlite"):
        document = Document(file)
        document.offer("compute(1)")
        document.change("x = compute(1)")
        await looked()
        assert document.acceptance.counts.accepted == 1
    broken = tmp_path / "broken.sqlite"
    broken.write_text("no database, but long enough to look at " * 20)
    assert UsageStore(broken).add(Row("python", 1, 1, 1, "accepted")) is None
    assert read(broken) == []


def test_summaries() -> None:
    rows = [
        Row("python", 10, 5, 1, "accepted", True),
        Row("python", 20, 5, 1, "accepted", None),
        Row("go", 30, 5, 1, "dismissed"),
        Row("", 40, 5, 1, "partly_accepted"),
    ]
    summaries = by_language(rows)
    assert list(summaries) == ["all", "python", "other", "go"]
    whole = summaries["all"]
    assert (whole.shown, whole.accepted, whole.partly_accepted, whole.dismissed) == (4, 2, 1, 1)
    assert (whole.judged, whole.kept) == (1, 1)
    assert (summaries["python"].latency_p50, summaries["go"].latency_p95) == (10, 30)
    assert summary([]).latency_p50 is None


@pytest.mark.asyncio
async def test_a_session_is_written_and_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate.main(["--repo", str(tmp_path), "--usage"]) == 0
    assert "Nothing has been shown" in capsys.readouterr().out
    file = layout.usage(tmp_path)
    await accept_one(tmp_path, "--no-usage")
    assert not file.exists()
    await accept_one(tmp_path)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert b"return a" not in file.read_bytes()
    assert evaluate.main(["--repo", str(tmp_path), "--usage", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["all"] == printed["python"]
    assert (printed["all"]["shown"], printed["all"]["accepted"]) == (1, 1)
    assert printed["all"]["latency_p50"] > 0
    assert evaluate.main(["--repo", str(tmp_path), "--usage"]) == 0
    assert "python" in capsys.readouterr().out


async def accept_one(root: Path, *flags: str) -> None:
    async with started("--model", str(BASE), *flags) as editor:
        await editor.open_workspace(root)
        uri, at = (root / "x.py").as_uri(), position_after(SOURCE)
        editor.open(uri, SOURCE)
        (text,) = await editor.inline(uri, at)
        put_in(editor, uri, at, text)
        assert await editor.inline(uri, at) is not None


def put_in(editor: Editor, uri: str, at: types.Position, text: str) -> None:
    change = types.TextDocumentContentChangePartial(range=types.Range(at, at), text=text)
    document = types.VersionedTextDocumentIdentifier(uri=uri, version=2)
    editor.text_document_did_change(types.DidChangeTextDocumentParams(document, [change]))
