#!/usr/bin/env bash
# pygls 2.1.1, lsprotocol 2025.0.0
#
# Guess: a character behind the end of its line counts as the line's end, as the protocol says. Clients
# make use of it: "from 0 to a large number" is a whole line.
# Instead: one character too many is the start of the next line; more are the place before the line's
# last character, its end or not. So a change that replaces all of a text whose last line has no end
# leaves that text's last character.
#
# Seen on 2026-11-30, with "ab\ncd", X put in at 0:3 and at 1:9, and 0:0 to 1:9 taken out:
#     'ab\nXcd' and 'ab\ncXd'; 'd' is left
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq pygls==2.1.1 lsprotocol==2025.0.0
cd "$work"
venv/bin/python - <<'END'
import sys

from lsprotocol.types import Position, Range, TextDocumentContentChangePartial
from pygls.workspace import TextDocument


def changed(start, end, text):
    document = TextDocument("file:///a", "ab\ncd")
    place = Range(Position(*start), Position(*end))
    document.apply_change(TextDocumentContentChangePartial(range=place, text=text))
    return document.source


if changed((0, 2), (0, 2), "X") != "abX\ncd" or changed((1, 2), (1, 2), "X") != "ab\ncdX":
    sys.exit("CHANGED: at a line's end, text lands elsewhere")
seen = changed((0, 3), (0, 3), "X"), changed((1, 9), (1, 9), "X"), changed((0, 0), (1, 9), "")
if seen != ("ab\nXcd", "ab\ncXd", "d"):
    sys.exit(f"CHANGED: {seen}")
print("holds: X at 0:3 {!r}, at 1:9 {!r}; with all taken out, {!r} is left".format(*seen))
END
