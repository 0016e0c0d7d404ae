#!/usr/bin/env bash
# pygls 2.1.1, lsprotocol 2025.0.0
#
# Guess: the parameters of a custom request reach its handler under the names that were sent, and a
# handler that returns them answers with the same JSON object.
# Instead: they come as a named tuple. A key that is not a name in Python (a dash, a space, a keyword)
# is called by its place, so that what it was called is lost; and returned, the tuple is an array.
#
# Seen on 2026-11-30, with {"max-tokens": 5, "class": "a", "plain": {"x-y": 1}}:
#     fields ['_0', '_1', 'plain'], answered [5, 'a', [1]]
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq pygls==2.1.1 lsprotocol==2025.0.0
cd "$work"
cat > server.py <<'END'
from pygls.lsp.server import LanguageServer

server = LanguageServer("params", "1")


@server.feature("custom/fields")
def fields(params):
    return list(params._fields)


@server.feature("custom/same")
def same(params):
    return params


server.start_io()
END
timeout 60 venv/bin/python - <<'END'
import json
import subprocess
import sys

server = subprocess.Popen(
    [sys.executable, "server.py"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
)


def ask(number, method, params):
    message = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
    body = json.dumps(message).encode()
    server.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
    server.stdin.flush()
    while True:
        length = 0
        while (line := server.stdout.readline().strip()):
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        answer = json.loads(server.stdout.read(length))
        if answer.get("id") == number:
            return answer.get("result", answer.get("error"))


ask(1, "initialize", {"processId": None, "rootUri": None, "capabilities": {}})
plain = ask(2, "custom/fields", {"one": 1, "two": 2})
if plain != ["one", "two"]:
    sys.exit(f"CHANGED: plain names come as {plain}")
sent = {"max-tokens": 5, "class": "a", "plain": {"x-y": 1}}
seen = ask(3, "custom/fields", sent), ask(4, "custom/same", sent)
server.kill()
if seen != (["_0", "_1", "plain"], [5, "a", [1]]):
    sys.exit(f"CHANGED: {seen}")
print("holds: fields {}, answered {}".format(*seen))
END
