#!/usr/bin/env bash
# pygls 2.1.1, lsprotocol 2025.0.0
#
# Guess: a feature that is registered is advertised, whether options are passed with it or not. It is so
# for hover, inlay hints and code lenses.
# Instead: a handler of textDocument/inlineCompletion that is registered without InlineCompletionOptions
# is left out of the server's capabilities, without a warning; no client will ever call it.
#
# Seen on 2026-11-30:
#     without options: inlayHint advertised, inlineCompletion missing; with options: inlineCompletion {}
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq pygls==2.1.1 lsprotocol==2025.0.0
cd "$work"
cat > talk.py <<'EOF'
import json


def send(pipe, **message):
    body = json.dumps({"jsonrpc": "2.0", **message}).encode()
    pipe.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
    pipe.flush()


def answer(pipe, number):
    """The answer to the request of this number; what comes before it is passed over."""
    while True:
        length = 0
        while (line := pipe.readline().strip()):
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        message = json.loads(pipe.read(length))
        if message.get("id") == number:
            return message["result"]
EOF

cat > server.py <<'EOF'
import sys

from lsprotocol import types
from pygls.lsp.server import LanguageServer

server = LanguageServer("example", "1")
server.feature(types.TEXT_DOCUMENT_INLAY_HINT)(lambda params: [])
options = [types.InlineCompletionOptions()] if sys.argv[1] == "with" else []
server.feature(types.TEXT_DOCUMENT_INLINE_COMPLETION, *options)(lambda params: [])
server.start_io()
EOF
venv/bin/python - <<'EOF'
import subprocess
import sys

from talk import answer, send


def capabilities(options):
    command = [sys.executable, "server.py", options]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL) as run:
        send(run.stdin, id=1, method="initialize",
             params={"processId": None, "rootUri": None, "capabilities": {}})
        told = answer(run.stdout, 1)["capabilities"]
        run.kill()
    return told


bare, full = capabilities("without"), capabilities("with")
if "inlayHintProvider" not in bare or "inlineCompletionProvider" not in full:
    sys.exit("CHANGED: what was advertised before is missing now")
if "inlineCompletionProvider" in bare:
    sys.exit("CHANGED: inline completion is advertised without options")
print("holds: without options: inlayHint advertised, inlineCompletion missing; with options:"
      f" inlineCompletion {full['inlineCompletionProvider']}")
EOF
