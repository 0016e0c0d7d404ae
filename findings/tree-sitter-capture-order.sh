#!/usr/bin/env bash
# tree-sitter 0.26.1 (the Python binding), tree-sitter-python 0.25.0
#
# Guess: QueryCursor.captures gives the nodes of each name in the order of the source, so that the lists
# of two names can be zipped.
# Instead: the order is neither the source's nor the same for two names, and differs between runs.
# QueryCursor.matches keeps what belongs together.
#
# Seen on 2026-11-30, for forty lines n0 = 0, n1 = 1 ...:
#     40 of 40 pairs torn apart; first names: n6 n10 n18 n14, in the next run n6 n10 n14 n18
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq tree-sitter==0.26.1 tree-sitter-python==0.25.0
cd "$work"
venv/bin/python - <<'EOF'
import sys

import tree_sitter
import tree_sitter_python

COUNT = 40
python = tree_sitter.Language(tree_sitter_python.language())
source = "".join(f"n{i} = {i}\n" for i in range(COUNT)).encode()
tree = tree_sitter.Parser(python).parse(source)
query = tree_sitter.Query(
    python, "(assignment left: (identifier) @name right: (integer) @number)"
)
found = tree_sitter.QueryCursor(query).captures(tree.root_node)
names = [int(node.text[1:]) for node in found["name"]]
numbers = [int(node.text) for node in found["number"]]
matches = tree_sitter.QueryCursor(query).matches(tree.root_node)
if sorted(names) != list(range(COUNT)) or sorted(numbers) != list(range(COUNT)):
    sys.exit("CHANGED: the query no longer finds every line once")
if any(one["name"][0].text[1:] != one["number"][0].text for _, one in matches):
    sys.exit("CHANGED: matches no longer keeps together what belongs together")
if names == sorted(names) or numbers == sorted(numbers) or names == numbers:
    sys.exit("CHANGED: captures are in the order of the source, or of each other")
torn = sum(name != number for name, number in zip(names, numbers))
print(f"holds: captures in an order of their own; {torn} of {COUNT} pairs torn apart;"
      " first names: " + " ".join(f"n{i}" for i in names[:4]))
EOF
