#!/usr/bin/env bash
# tree-sitter-kotlin 1.1.0, tree-sitter 0.26.1
#
# Guess: the grammar reads the body of a class alike on one line and on three.
# Instead: the last member of a class must be followed by a line end or a semicolon. The usual one-line
# forms are syntax errors to it, though valid Kotlin; a function's body on one line is read well.
#
# Seen on 2026-11-30:
#     errors in 4 of 4 one-line forms, in 0 of 4 with a line end before the brace
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq tree-sitter==0.26.1 tree-sitter-kotlin==1.1.0
cd "$work"
venv/bin/python - <<'EOF'
import sys

import tree_sitter
import tree_sitter_kotlin

parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_kotlin.language()))


def wrong(code):
    return parser.parse(code.encode()).root_node.has_error


members = {
    "class A": "fun f() = 1",
    "fun interface B": "fun f()",
    "object C": "fun f() {}",
    "enum class D": "X, Y; fun f() {}",
}
short = sum(wrong(f"{head} {{ {member} }}\n") for head, member in members.items())
long = sum(wrong(f"{head} {{ {member}\n}}\n") for head, member in members.items())
if wrong("fun f() { val x = 1 }\n"):
    sys.exit("CHANGED: a function's body on one line is an error too")
if (short, long) != (4, 0):
    sys.exit(f"CHANGED: errors in {short} of 4 one-line forms, in {long} of 4 long ones")
print("holds: errors in 4 of 4 one-line forms, in 0 of 4 with a line end before the brace")
EOF
