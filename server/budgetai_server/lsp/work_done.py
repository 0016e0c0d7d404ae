"""How far work has come, for editors that show such things."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer

from budgetai_server.workspace.indexing.indexer import Progress

_TITLE = "BudgetAI: indexing"
# Seconds between two reports.
_REPORT_SECONDS = 0.2
# Seconds for the editor to say that it will show it.
_MAX_WAIT_SECONDS = 2.0


@asynccontextmanager
async def shown(server: LanguageServer) -> AsyncIterator[Callable[[Progress], None]]:
    """Give what to call with each progress; the editor's display goes when the block ends."""
    window = server.client_capabilities.window
    token = str(uuid.uuid4())
    if not (window and window.work_done_progress and await _created(server, token)):
        yield lambda progress: None
        return
    display = server.work_done_progress
    display.begin(token, types.WorkDoneProgressBegin(title=_TITLE, percentage=0))
    last, newest = 0.0, ""

    def tell(progress: Progress) -> None:
        nonlocal last, newest
        newest = (
            f"{progress.files:,} of {progress.total:,} files, {progress.lines:,} lines,"
            f" {progress.rate:,.0f} lines/s"
        )
        if time.monotonic() - last > _REPORT_SECONDS:
            last = time.monotonic()
            percentage = 100 * progress.files // max(progress.total, 1)
            report = types.WorkDoneProgressReport(message=newest, percentage=percentage)
            display.report(token, report)

    try:
        yield tell
    finally:
        display.end(token, types.WorkDoneProgressEnd(message=newest))


@asynccontextmanager
async def stoppable(
    server: LanguageServer, title: str, stop: Callable[[], object]
) -> AsyncIterator[Callable[[str], None]]:
    """Give what to call with words on how far it is. `stop` is called if the user wants that."""
    window = server.client_capabilities.window
    token = str(uuid.uuid4())
    if not (window and window.work_done_progress and await _created(server, token)):
        yield lambda words: None
        return
    display = server.work_done_progress
    display.tokens[token].add_done_callback(lambda _: stop())
    display.begin(token, types.WorkDoneProgressBegin(title=title, cancellable=True))
    try:
        yield lambda words: display.report(token, types.WorkDoneProgressReport(message=words))
    finally:
        display.tokens.pop(token, None)
        display.end(token, types.WorkDoneProgressEnd())


async def _created(server: LanguageServer, token: str) -> bool:
    try:
        await asyncio.wait_for(server.work_done_progress.create_async(token), _MAX_WAIT_SECONDS)
    except (JsonRpcException, TimeoutError):
        return False
    return True
