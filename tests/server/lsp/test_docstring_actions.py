"""Docstrings in an editor: what is offered, and the command, over stdio with the embedded model."""

import ast
import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
from lsprotocol import types
from pygls.exceptions import JsonRpcException

from budgetai_core.artifacts.base_models import EMBEDDED, resolve
from budgetai_server.cli.demo_editor import Editor, position_after
from budgetai_server.lsp import docstring_actions, make_server
from budgetai_server.lsp.docstring_actions import WRITE
from budgetai_server.options import ServerOptions
from budgetai_server.workspace.text_document import Document

pytestmark = pytest.mark.usefixtures("measured_before")

BASE = resolve(EMBEDDED).path
URI = "file:///x.py"
SOURCE = '''\
def area(width, height):
    return width * height


def half(number):
    """Return half of a number."""
    return number / 2
'''


class DocstringWriter(Editor):
    """An editor that takes edits and shows progress. `told` has the kinds of what it was told."""

    def __init__(self) -> None:
        super().__init__()
        self.edits: list[types.WorkspaceEdit] = []
        self.reports: list[Any] = []
        self.begun = asyncio.Event()
        self.feature(types.WORKSPACE_APPLY_EDIT)(partial(DocstringWriter.apply, self))
        self.feature(types.WINDOW_WORK_DONE_PROGRESS_CREATE)(lambda _: None)
        self.feature(types.PROGRESS)(partial(DocstringWriter.shown, self))

    def apply(self, params: types.ApplyWorkspaceEditParams) -> types.ApplyWorkspaceEditResult:
        self.edits.append(params.edit)
        return types.ApplyWorkspaceEditResult(applied=True)

    def shown(self, params: Any) -> None:
        value = params.value
        kind = value["kind"] if isinstance(value, dict) else value.kind
        self.reports.append((params.token, kind))
        if kind == "report":
            self.begun.set()

    async def open_workspace_with(
        self, settings: dict[str, Any] | None = None, *, versions: bool = True, edits: bool = True
    ) -> types.InitializeResult:
        capabilities = types.ClientCapabilities(
            workspace=types.WorkspaceClientCapabilities(
                apply_edit=edits,
                workspace_edit=types.WorkspaceEditClientCapabilities(document_changes=versions),
            ),
            window=types.WindowClientCapabilities(work_done_progress=True),
        )
        result = await self.initialize_async(
            types.InitializeParams(capabilities=capabilities, initialization_options=settings)
        )
        self.server = result.capabilities
        self.initialized(types.InitializedParams())
        await asyncio.wait_for(self.settled.wait(), 120)
        return result

    def type(self, uri: str, version: int, at: types.Position, text: str) -> None:
        document = types.VersionedTextDocumentIdentifier(uri=uri, version=version)
        change = types.TextDocumentContentChangePartial(range=types.Range(at, at), text=text)
        self.text_document_did_change(types.DidChangeTextDocumentParams(document, [change]))

    async def actions(
        self, uri: str, line: int, only: list[str] | None = None
    ) -> list[types.CodeAction]:
        at = types.Position(line, 0)
        context = types.CodeActionContext(diagnostics=[], only=only)
        answer = await self.text_document_code_action_async(
            types.CodeActionParams(types.TextDocumentIdentifier(uri), types.Range(at, at), context)
        )
        # What is an action or a command, lsprotocol takes for a command.
        found = (ast.literal_eval(str(one.command)) for one in answer or [])
        return [
            types.CodeAction(one.title, command=types.Command(**raw))
            for one, raw in zip(answer or [], found, strict=True)
        ]

    async def run(self, command: types.Command | None, number: str = "command") -> None:
        assert command is not None
        params = types.ExecuteCommandParams(command.command, command.arguments)
        request = self.protocol.send_request_async(
            types.WORKSPACE_EXECUTE_COMMAND, params, msg_id=number
        )
        await asyncio.wait_for(request, 60)

    def edited(self, text: str) -> str:
        """The text with the one edit that the server has sent."""
        (edit,) = self.edits
        changes = edit.document_changes or []
        found = [one for change in changes for one in getattr(change, "edits", [])]
        found += [one for each in (edit.changes or {}).values() for one in each]
        (one,) = found
        document = Document(URI, text)
        start, end = (document.offset_at_position(at) for at in (one.range.start, one.range.end))
        new: str = one.new_text
        return text[:start] + new + text[end:]


@asynccontextmanager
async def authoring(
    settings: dict[str, Any] | None = None, **client: bool
) -> AsyncIterator[DocstringWriter]:
    editor = DocstringWriter()
    await editor.start_io(sys.executable, "-m", "budgetai_server", "--model", str(BASE))
    try:
        await editor.open_workspace_with(settings, **client)
        yield editor
    finally:
        await asyncio.wait_for(editor.shutdown_async(None), 30)
        editor.exit(None)
        await editor.stop()  # type: ignore[no-untyped-call]


def titles(actions: list[types.CodeAction]) -> list[str]:
    return [action.title for action in actions]


@pytest.mark.asyncio
async def test_a_docstring_is_offered_and_put_in() -> None:
    async with authoring() as author:
        assert author.server.code_action_provider
        commands = author.server.execute_command_provider
        assert commands and WRITE in commands.commands
        # Neither a form feed nor a line separator ends a line of the protocol.
        source = 'party = "🎉\u2028"\n\x0c\n\n' + SOURCE
        text = source.replace("\n", "\r\n")
        author.open(URI, text)
        assert titles(await author.actions(URI, 4)) == ["Write docstring"], "in the body"
        assert await author.actions(URI, 9) == [], "this one has its docstring"
        assert await author.actions(URI, 4, ["quickfix"]) == []
        (action,) = await author.actions(URI, 3, ["refactor"])
        await author.run(action.command)
        new = author.edited(text)
        head, inside, rest = new.split('"""', 2)
        assert head == source[: source.index("    return width")].replace("\n", "\r\n") + "    "
        assert rest == "\r\n" + text[text.index("    return width") :]
        assert "\n" not in inside.replace("\r\n", "")
        assert [line.split(":")[0].strip() for line in inside.split("\r\n") if ":" in line][:3] == [
            "Args", "width", "height",
        ]  # fmt: skip
        kinds = [kind for _, kind in author.reports]
        assert kinds[0] == "begin" and kinds[-1] == "end" and kinds.count("report") >= 3
        (change,) = author.edits[0].document_changes or []
        assert isinstance(change, types.TextDocumentEdit) and change.text_document.version == 1


@pytest.mark.asyncio
async def test_it_stops_at_once_and_follows_the_text() -> None:
    async with authoring(versions=False) as author:
        author.open(URI, SOURCE)
        (action,) = await author.actions(URI, 0)
        running = asyncio.ensure_future(author.run(action.command))
        await author.begun.wait()
        token = author.reports[0][0]
        author.window_work_done_progress_cancel(types.WorkDoneProgressCancelParams(token))
        await running
        running = asyncio.ensure_future(author.run(action.command, "second"))
        author.begun.clear()
        await author.begun.wait()
        author.cancel_request(types.CancelParams("second"))
        with pytest.raises(JsonRpcException) as error:
            await running
        assert error.value.code == -32800
        assert author.edits == []
        running = asyncio.ensure_future(author.run(action.command, "third"))
        author.begun.clear()
        await author.begun.wait()
        author.type(URI, 2, types.Position(0, 0), "import os\n\n\n")
        # What someone waits for goes first, and the docstring goes on behind it.
        at = types.Position(4, 4)
        assert isinstance(await author.inline(URI, at), list)
        await running
        new = author.edited("import os\n\n\n" + SOURCE)
        assert new.startswith('import os\n\n\ndef area(width, height):\n    """')
        author.edits.clear()
        running = asyncio.ensure_future(author.run(action.command, "fourth"))
        author.begun.clear()
        await author.begun.wait()
        author.type(URI, 3, types.Position(3, len("def area(")), "depth, ")
        await running
        assert author.edits == []
        assert "changed" in author.messages[-1]


@pytest.mark.asyncio
async def test_an_opening_mark_gets_the_whole_docstring() -> None:
    async with authoring({"codeLens": True, "ignore": ["left_*.py"]}) as author:
        head = "def area(width, height):\n    "
        author.open(URI, f'{head}""""""\n    return width * height\n')
        at = position_after(f'{head}"""')
        popup = types.CompletionParams(types.TextDocumentIdentifier(URI), at)
        (offered,), menu = await asyncio.gather(
            author.inline(URI, at), author.text_document_completion_async(popup)
        )
        assert offered.endswith('"""') and offered.count('"""') == 1
        assert "width: " in offered and "height: " in offered
        assert isinstance(menu, types.CompletionList)
        edit = menu.items[0].text_edit
        assert isinstance(edit, types.TextEdit)
        assert edit.new_text == offered.removesuffix('"""')
        assert edit.range == types.Range(at, at), "the closers stay where they are"
        script = "/**\nexport function area(width: number) {\n  return width * 2;\n}\n"
        author.open("file:///c.ts", script, "typescript")
        (offered,) = await author.inline("file:///c.ts", types.Position(0, 3))
        assert offered.endswith(" */") and "@param" in offered
        lenses = types.CodeLensParams(types.TextDocumentIdentifier("file:///d.py"))
        author.open("file:///d.py", SOURCE)
        (lens,) = await author.text_document_code_lens_async(lenses) or []
        assert lens.command and lens.command.title == "Write docstring"
        author.open("file:///left_alone.py", SOURCE)
        assert await author.actions("file:///left_alone.py", 0) == []


def test_an_editor_that_takes_no_edits_is_offered_nothing() -> None:
    server = make_server(ServerOptions())
    workspace = types.WorkspaceClientCapabilities(apply_edit=True)
    for client, offered in ((None, False), (workspace, True)):
        server.protocol.client_capabilities = types.ClientCapabilities(workspace=client)
        assert docstring_actions.can_edit(server) is offered
