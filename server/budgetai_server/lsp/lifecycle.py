"""From the first handshake to the end: what the client says of itself and its workspace, and what
the server ends for: its client says so, closes the pipe or is gone, or the system asks for it."""

import asyncio
import logging
import os
import signal
import threading
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import psutil
from lsprotocol import types
from pygls.uris import to_fs_path
from pygls.workspace import PositionCodec

from budgetai_core.command import PIPE_CLOSED
from budgetai_core.options import overridden
from budgetai_server.lsp import copilot
from budgetai_server.lsp.language_server import BudgetAIServer
from budgetai_server.workspace.roots import holds_home
from budgetai_server.workspace.session import Session
from budgetai_server.workspace.text_document import Document

log = logging.getLogger(__name__)

# Seconds between two looks at the process that has started the server.
_PARENT_EVERY = 2.0
# Seconds for whoever has started that process to take note of its end: it may speak for it.
_ZOMBIE = 20.0
# Seconds for a session to close before the process ends all the same.
_PATIENCE = 3.0
_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")


def initialize(server: BudgetAIServer, params: types.InitializeParams) -> None:
    sent = params.initialization_options
    settings = sent if isinstance(sent, dict) else {}
    server.copilot = copilot.is_client(settings)
    if server.copilot:
        copilot.register_commands(server)
        settings = {k: value for k, value in settings.items() if k not in copilot.SETTINGS}
    options, server.complaints = overridden(server.options, settings)
    server.client = params.client_info.name if params.client_info else ""
    trusted = options.model == server.options.model
    roots, homes = _roots(params)
    server.complaints += [_NO_HOME.format(root) for root in homes]
    server.make_session = partial(Session, options, trusted=trusted)
    server.session = server.make_session(roots)
    server.parent = _process(params.process_id)
    if server.client == "vim-lsp" and not _encodings(params):
        # It says nothing of its units and counts code points, where the protocol has UTF-16 then.
        server.workspace._position_codec = PositionCodec(types.PositionEncodingKind.Utf32)
    # pygls makes documents in this one place, and offers no other way to give it our own.
    server.workspace._create_text_document = partial(  # type: ignore[method-assign]
        Document,
        sync_kind=types.TextDocumentSyncKind.Incremental,
        position_codec=server.workspace.position_codec,
    )


def _encodings(params: types.InitializeParams) -> Sequence[types.PositionEncodingKind | str]:
    """Return the units of columns that the client says it knows."""
    general = params.capabilities.general
    return (general and general.position_encodings) or ()


def _roots(params: types.InitializeParams) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    """Return the folders of the workspace, the main one first; and those that are none, for they
    hold the user's home."""
    uris = [folder.uri for folder in params.workspace_folders or []]
    uris += [params.root_uri] if params.root_uri else []
    return _parted(uris, [params.root_path] if params.root_path else [])


def _parted(
    uris: Sequence[str], more: Sequence[str] = ()
) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    """Return the folders that may be read, and those that hold the user's home."""
    paths = [*(path for uri in uris if (path := to_fs_path(uri))), *more]
    # No file system has a name with a NUL, and Python's paths raise at one.
    folders = tuple(dict.fromkeys(Path(path) for path in paths if "\0" not in path))
    homes = tuple(filter(holds_home, folders))
    return tuple(folder for folder in folders if folder not in homes), homes


_NO_HOME = (
    "{} is not taken for a project, for it holds your home folder: its files are not read. Open the"
    " folder of one project, or tell your editor how to find it (docs/server.md)"
)


async def initialized(server: BudgetAIServer, _: types.InitializedParams) -> None:
    for complaint in server.complaints:
        server.tell(f"BudgetAI: {complaint}", types.MessageType.Warning)
    _watch_files(server)
    if server.parent:
        server.spawn(_end_with(server, server.parent))
    server.spawn(server.start_session())


async def did_change_workspace_folders(
    server: BudgetAIServer, params: types.DidChangeWorkspaceFoldersParams
) -> None:
    """Take the first folder of a workspace that had none: plugins that start one server for all of
    an editor may name it only when a file of it is opened."""
    older = server.session
    roots, _ = _parted([folder.uri for folder in params.event.added])
    if older is None or older.root or not roots:
        return
    server.session, server.renewal = server.make_session(roots), None
    older.close()
    older.free()
    await server.start_session()


def _watch_files(server: BudgetAIServer) -> None:
    """Ask the client to tell of changed files, if it is one that can be asked."""
    workspace = server.client_capabilities.workspace
    watched = workspace.did_change_watched_files if workspace else None
    if not (watched and watched.dynamic_registration):
        return
    # All of them: a folder that goes or comes is told of by its own name alone.
    options = types.DidChangeWatchedFilesRegistrationOptions(
        [types.FileSystemWatcher(glob_pattern="**/*")]
    )
    registration = types.Registration(
        "budgetai-files", types.WORKSPACE_DID_CHANGE_WATCHED_FILES, options
    )
    server.client_register_capability(types.RegistrationParams([registration]), lambda _: None)


def status(server: BudgetAIServer, _: Any) -> dict[str, Any]:
    return server.session.status() if server.session else {"state": "starting"}


def shutdown(server: BudgetAIServer, _: Any) -> None:
    for session in server.sessions:
        session.close()


def end_on_signals(server: BudgetAIServer) -> None:
    """End the process where the system asks for it, with the session closed and no traceback."""
    for name in _SIGNALS:
        if number := getattr(signal, name, None):
            signal.signal(number, lambda number, _: _end(server, 128 + number))


class ClientPipe:
    """What the client reads. Once it reads no more, the process ends."""

    def __init__(self, server: BudgetAIServer, stream: BinaryIO) -> None:
        self._server = server
        self._stream = stream

    def write(self, data: bytes) -> int:
        try:
            return self._stream.write(data)
        except OSError:
            _end(self._server, PIPE_CLOSED)
            return 0

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError:
            _end(self._server, PIPE_CLOSED)

    def close(self) -> None:
        with suppress(OSError):
            self._stream.close()


def _process(number: int | None) -> psutil.Process | None:
    """Return the client's process. None where there is none by that number, although it has just
    spoken: then it is one of another machine or container, and none to wait for."""
    try:
        return psutil.Process(number) if number else None
    except (psutil.Error, ValueError, OverflowError):
        return None


async def _end_with(server: BudgetAIServer, parent: psutil.Process) -> None:
    """Wait for the end of the client, which may leave the pipe open to other processes."""
    as_zombie = 0.0
    while as_zombie < _ZOMBIE and _is_there(parent):
        as_zombie = as_zombie + _PARENT_EVERY if _is_zombie(parent) else 0.0
        await asyncio.sleep(_PARENT_EVERY)
    log.info("the editor has ended")
    _end(server, 1)


def _is_there(process: psutil.Process) -> bool:
    """Return whether the process is there: another one by its number does not count."""
    with suppress(psutil.Error):
        return process.is_running()
    return True


def _is_zombie(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    return False


def _end(server: BudgetAIServer, code: int) -> None:
    """End the process. A thread of it waits for input that may never come, so nothing is joined."""
    if server.ends:
        return
    server.ends = True
    impatient = threading.Timer(_PATIENCE, os._exit, (code,))
    impatient.daemon = True
    impatient.start()

    def close() -> None:
        try:
            shutdown(server, None)
            logging.shutdown()
        finally:
            os._exit(code)

    try:
        # Between two handlers, not in the middle of one.
        asyncio.get_running_loop().call_soon(close)
    except RuntimeError:
        close()
