#!/usr/bin/env bash
# pygls 2.1.1, lsprotocol 2025.0.0
#
# Guess: the server's copy of a document stays what the editor has. The protocol ends lines at \n, \r\n
# and \r alone.
# Instead: pygls ends lines as str.splitlines does, at a form feed too, which Python sources have between
# sections. Behind one, every edit lands a line too high: the editor's correct change damages the
# server's copy.
#
# Seen on 2026-11-30, where the editor has "return 2":
#     'import os\n\x0c\ndef f():2\n    return 1\n'
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
from pygls.lsp.server import LanguageServer

server = LanguageServer("example", "1")
server.feature("example/text")(
    lambda params: server.workspace.get_text_document("file:///a.py").source
)
server.start_io()
EOF
venv/bin/python - <<'EOF'
import subprocess
import sys

from talk import answer, send

text = "import os\n\x0c\ndef f():\n    return 1\n"
digit = {"start": {"line": 3, "character": 11}, "end": {"line": 3, "character": 12}}
with subprocess.Popen([sys.executable, "server.py"], stdin=subprocess.PIPE,
                      stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as run:
    send(run.stdin, id=1, method="initialize",
         params={"processId": None, "rootUri": None, "capabilities": {}})
    answer(run.stdout, 1)
    send(run.stdin, method="initialized", params={})
    document = {"uri": "file:///a.py", "languageId": "python", "version": 1, "text": text}
    send(run.stdin, method="textDocument/didOpen", params={"textDocument": document})
    send(run.stdin, method="textDocument/didChange",
         params={"textDocument": {"uri": "file:///a.py", "version": 2},
                 "contentChanges": [{"range": digit, "text": "2"}]})
    send(run.stdin, id=2, method="example/text", params={})
    copy = answer(run.stdout, 2)
    run.kill()
if copy != "import os\n\x0c\ndef f():2\n    return 1\n":
    sys.exit(f"CHANGED: the server's copy is now {copy!r}")
print(f"holds: the server's copy is {copy!r}")
EOF
