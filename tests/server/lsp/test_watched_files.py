"""A real server over stdio: it shows how its index is built, and hears of files that change."""

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest
from lsprotocol import types

from budgetai_core.artifacts.base_models import EMBEDDED, resolve
from budgetai_server.cli.demo_editor import Editor

pytestmark = pytest.mark.usefixtures("measured_before")

PRICE = "def total(items):\n    return sum(items)\n"


class Watcher(Editor):
    """An editor that shows progress and watches files. `seen` has what it was told."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Any] = []

        def note(params: Any) -> None:
            self.seen.append(params)

        self.feature(types.WINDOW_WORK_DONE_PROGRESS_CREATE)(note)
        self.feature(types.CLIENT_REGISTER_CAPABILITY)(note)
        self.feature(types.PROGRESS)(note)

    async def open_folder(self, root: Path) -> None:
        files = types.DidChangeWatchedFilesClientCapabilities(dynamic_registration=True)
        capabilities = types.ClientCapabilities(
            workspace=types.WorkspaceClientCapabilities(did_change_watched_files=files),
            window=types.WindowClientCapabilities(work_done_progress=True),
        )
        params = types.InitializeParams(capabilities=capabilities, root_uri=root.as_uri())
        await self.initialize_async(params)
        self.initialized(types.InitializedParams())

    async def indexed(self, count: int) -> None:
        async with asyncio.timeout(60):
            while (await self._status()).indexed != count:
                await asyncio.sleep(0.02)

    async def _status(self) -> Any:
        return await self.protocol.send_request_async("budgetai/status", None)

    def tell(self, *changes: tuple[Path, types.FileChangeType]) -> None:
        events = [types.FileEvent(path.as_uri(), kind) for path, kind in changes]
        self.workspace_did_change_watched_files(types.DidChangeWatchedFilesParams(events))


@pytest.mark.asyncio
async def test_progress_and_watched_files(tmp_path: Path) -> None:
    root = tmp_path / "my repo"
    root.mkdir()
    old, new = root / "price.py", root / "new [1].py"
    old.write_text(PRICE)
    editor = Watcher()
    model = str(resolve(EMBEDDED).path)
    await editor.start_io(sys.executable, "-m", "budgetai_server", "--model", model)
    try:
        await editor.open_folder(root)
        await editor.indexed(1)
        new.write_text(PRICE)
        (root / ".env").write_text("PASSWORD=hunter2")
        created = types.FileChangeType.Created
        editor.tell((new, created), (root / ".env", created))
        await editor.indexed(2)
        old.unlink()
        editor.tell((old, types.FileChangeType.Deleted))
        await editor.indexed(1)
        # Not every client watches files, but each says what it saves.
        old.write_text(PRICE)
        editor.open(old.as_uri(), PRICE)
        saved = types.TextDocumentIdentifier(old.as_uri())
        editor.text_document_did_save(types.DidSaveTextDocumentParams(saved))
        await editor.indexed(2)
    finally:
        await editor.shutdown_async(None)
        editor.exit(None)
        await editor.stop()  # type: ignore[no-untyped-call]
    registered = [seen for seen in editor.seen if isinstance(seen, types.RegistrationParams)]
    assert registered[0].registrations[0].method == types.WORKSPACE_DID_CHANGE_WATCHED_FILES
    shown: list[Any] = [
        seen.value for seen in editor.seen if isinstance(seen, types.ProgressParams)
    ]
    kinds = [value["kind"] if isinstance(value, dict) else value.kind for value in shown]
    assert (kinds[0], kinds[-1]) == ("begin", "end")
    assert "lines/s" in str(shown[-1])
