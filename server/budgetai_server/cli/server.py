"""`budgetai-server`: the command line of the language server. It speaks over stdin and stdout."""

import logging
import sys
from typing import BinaryIO, cast

from budgetai_core.command import parse, run
from budgetai_server.options import ServerOptions

PROGRAM = "budgetai-server"
ABOUT = "Serve completions of the model tuned on your workspace to an editor, over LSP on stdio."


def main(argv: list[str] | None = None) -> int:
    # Editors add --stdio by habit; there is nothing else to choose.
    arguments = [a for a in (sys.argv[1:] if argv is None else argv) if a != "--stdio"]
    return run(PROGRAM, lambda: _main(arguments))


def _main(argv: list[str]) -> int:
    options = parse(PROGRAM, ABOUT, ServerOptions, argv)
    logging.basicConfig(
        stream=sys.stderr,
        level=options.log_level.upper(),
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    # pygls logs whole messages, and with them code.
    logging.getLogger("pygls").setLevel(logging.WARNING)
    for handler in logging.getLogger().handlers:
        handler.addFilter(_without_traceback)
    from budgetai_server.lsp import lifecycle, make_server

    server = make_server(options)
    lifecycle.end_on_signals(server)
    server.start_io(stdout=cast(BinaryIO, lifecycle.ClientPipe(server, sys.stdout.buffer)))
    lifecycle.shutdown(server, None)
    return 0


def _without_traceback(record: logging.LogRecord) -> bool:
    """Make one line of what pygls says of a message that it does not understand: the fault is the
    client's, and its values may stand in a traceback. The server names the kind of fault itself."""
    if record.name.startswith("pygls") and str(record.msg).startswith("Unable to "):
        record.msg, record.args = str(record.msg).partition("\n")[0], ()
        record.exc_info = record.exc_text = None
    return True
