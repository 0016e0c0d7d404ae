"""`budgetai-server`: the command line of the language server. It speaks over stdin and stdout."""

import logging
import re
import sys
from typing import BinaryIO, cast

from budgetai_core.command import parse, run
from budgetai_server.options import ServerOptions

PROGRAM = "budgetai-server"
ABOUT = "Serve completions of the model tuned on your workspace to an editor, over LSP on stdio."
_NAME = re.compile(r"[\w$./-]{1,60}")


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
        handler.addFilter(without_values)
    from budgetai_server.lsp import lifecycle, make_server

    server = make_server(options)
    lifecycle.end_on_signals(server)
    server.start_io(stdout=cast(BinaryIO, lifecycle.ClientPipe(server, sys.stdout.buffer)))
    lifecycle.shutdown(server, None)
    return 0


def without_values(record: logging.LogRecord) -> bool:
    """Take out of pygls' records what may be code: it logs messages and parameters whole where a
    message is not understood or cannot be handled. Kept are numbers, and names of methods.
    """
    if record.name.startswith("pygls"):
        template, _, rest = str(record.msg).partition("\n")
        arguments = record.args if isinstance(record.args, tuple) else (record.args,)
        record.msg = template
        record.args = () if rest else tuple(map(_told, arguments if record.args else ()))
        if template.startswith("Unable to "):
            # The fault is the client's, and its values stand in the traceback.
            record.exc_info = record.exc_text = None
    return True


def _told(value: object) -> object:
    if isinstance(value, int) or (isinstance(value, str) and _NAME.fullmatch(value)):
        return value
    return f"({type(value).__name__})"
