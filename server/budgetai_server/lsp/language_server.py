"""pygls' server, and what it tells the user."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import psutil
from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer
from pygls.protocol import LanguageServerProtocol

from budgetai_core import version
from budgetai_core.errors import RepositoryError
from budgetai_server.completion.superseding import Superseding
from budgetai_server.lsp import work_done
from budgetai_server.options import ServerOptions
from budgetai_server.workspace.model_manager import State
from budgetai_server.workspace.renewal import Renewal
from budgetai_server.workspace.session import Session

log = logging.getLogger(__name__)

_MESSAGE_TYPES = {"error": types.MessageType.Error, "no-model": types.MessageType.Warning}


class AnsweringProtocol(LanguageServerProtocol):
    """pygls' protocol, which answers a request that it does not understand, too: it would leave the
    client waiting."""

    def structure_message(self, data: dict[str, Any]) -> Any:
        try:
            return super().structure_message(data)
        except JsonRpcException as error:
            if "method" in data and isinstance(data.get("id"), int | str):
                self._send_response(data["id"], error=error.to_response_error())
            raise


class BudgetAIServer(LanguageServer):
    """pygls' server with one session, made when the client has said where the workspace is."""

    def __init__(self, options: ServerOptions) -> None:
        super().__init__("budgetai-server", version(), protocol_cls=AnsweringProtocol)
        self.options = options
        self.session: Session | None = None
        # Makes a session for folders, with what the client has set.
        self.make_session: Callable[[tuple[Path, ...]], Session] = partial(
            Session, options, trusted=True
        )
        self.renewal: Renewal | None = None
        self.client = ""
        # Whether the client is a plugin made for Copilot.
        self.copilot = False
        self.superseding = Superseding(in_order=True)
        self.parent: psutil.Process | None = None
        self.ends = False
        self.complaints: list[str] = []
        self._reported: State | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def report_server_error(self, error: Exception, source: Any) -> None:
        """Log a malformed message, and pop up no window at the user."""
        log.error("protocol error: %s in %s", type(error).__name__, getattr(source, "__name__", ""))

    def spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def forget_finished(self) -> None:
        """Drop finished requests: pygls keeps a future for every notification it has handled: 23 of
        the 34 MB that 5,000 requests left behind. Those that are done have told whoever waited for
        them."""
        futures = self.protocol._request_futures
        for key in [key for key, future in futures.items() if future.done()]:
            del futures[key]

    def when_cancelled(self, stop: Callable[[], object]) -> None:
        """Call `stop` if the client cancels the request that is being handled. pygls runs commands
        beside their requests, and cancels those alone."""
        number = self.protocol.msg_id
        request = self.protocol._request_futures.get(number) if number is not None else None
        if request:
            request.add_done_callback(lambda done: stop() if done.cancelled() else None)

    def tell(self, message: str, kind: types.MessageType) -> None:
        self.window_show_message(types.ShowMessageParams(type=kind, message=message))

    def report(self, state: State) -> None:
        """Tell the user what the server can do, once for each time that it changes."""
        if state == self._reported:
            return
        self._reported = state
        # For the status bars of editors that know it; others pass over what begins with $/.
        self.protocol.notify("$/budgetai/state", asdict(state))
        if state.name in _MESSAGE_TYPES:
            self.tell(state.message, _MESSAGE_TYPES[state.name])
        else:
            self.window_log_message(
                types.LogMessageParams(type=types.MessageType.Info, message=state.message)
            )

    @property
    def sessions(self) -> list[Session]:
        """Return the session that answers, and the one that is to take its place."""
        newer = self.renewal.newer if self.renewal else None
        return [session for session in (self.session, newer) if session]

    def look_for_newer_model(self) -> None:
        """Serve a newer model, if there is one by now, without a new start."""
        session = self.session
        if session is None or session.state.name != "ready" or session.root is None:
            return
        if self.renewal is None:
            roots = session.roots
            self.renewal = Renewal(lambda: self.make_session(roots), self._serve)
        self.renewal.look(session)

    def _serve(self, session: Session) -> None:
        self.session = session
        for document in self.workspace.text_documents.values():
            session.follow(document)
            session.changed(document, None)
        self.report(session.state)

    def _refresh_lenses(self, session: Session) -> None:
        """Refresh the lenses: documents that were open before there was a model have none."""
        workspace = self.client_capabilities.workspace
        lenses = workspace.code_lens if workspace else None
        if session.shows_lenses and lenses and lenses.refresh_support:
            self.workspace_code_lens_refresh(None)

    async def start_session(self) -> None:
        """Look for a model; tell the user what came of it, unless it is what they know already."""
        session = self.session
        assert session is not None
        await session.start()
        if self.session is not session:
            # Another folder has been named meanwhile.
            return
        self.report(session.state)
        self._refresh_lenses(session)
        if session.can_index:
            try:
                async with work_done.shown(self) as tell:
                    await session.build_index(tell)
            except RepositoryError as error:
                self.tell(f"BudgetAI shows no other files: {error}", types.MessageType.Warning)
        for document in list(self.workspace.text_documents.values())[-1:]:
            session.looked_at(document)
