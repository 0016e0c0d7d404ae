#!/usr/bin/env bash
# tree-sitter-typescript 0.23.2, tree-sitter-javascript 0.25.0, tree-sitter 0.26.1
#
# Guess: the tags query that a grammar's package holds finds the definitions of its language: classes,
# functions, methods. That of JavaScript's does.
# Instead: TypeScript's finds what JavaScript lacks, interfaces and signatures, and nothing else. It is to
# be put behind JavaScript's query, of another package; nothing in the package says so, and it compiles
# and runs well alone.
#
# Seen on 2026-11-30, for a class with a method, a function and an interface:
#     the package's query: I; behind JavaScript's: A I f m
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq tree-sitter==0.26.1 tree-sitter-typescript==0.23.2 tree-sitter-javascript==0.25.0
cd "$work"
venv/bin/python - <<'END'
import sys

import tree_sitter
import tree_sitter_javascript as javascript
import tree_sitter_typescript as typescript

SOURCE = b"class A { m() {} }\nfunction f() {}\ninterface I {}\n"


def defined(language, query, source):
    language = tree_sitter.Language(language)
    tree = tree_sitter.Parser(language).parse(source)
    matches = tree_sitter.QueryCursor(tree_sitter.Query(language, query)).matches(tree.root_node)
    names = set()
    for _, captures in matches:
        if any(name.startswith("definition") for name in captures):
            names |= {node.text.decode() for node in captures["name"]}
    return sorted(names)


alone = defined(typescript.language_typescript(), typescript.TAGS_QUERY, SOURCE)
plain = defined(javascript.language(), javascript.TAGS_QUERY, SOURCE.partition(b"interface")[0])
if plain != ["A", "f", "m"]:
    sys.exit(f"CHANGED: JavaScript's finds {plain}")
if alone != ["I"]:
    sys.exit(f"CHANGED: TypeScript's finds {alone}")
both = javascript.TAGS_QUERY + typescript.TAGS_QUERY
both = defined(typescript.language_typescript(), both, SOURCE)
if both != ["A", "I", "f", "m"]:
    sys.exit(f"CHANGED: behind JavaScript's, it finds {both}")
print(f"holds: the package's query: {' '.join(alone)}; behind JavaScript's: {' '.join(both)}")
END
