#!/usr/bin/env bash
# docstring_parser 0.18.0
#
# Guess: a Google docstring that is parsed and composed again keeps all of its text. A section that is
# not known stays with the description, as "Note:" does where it is alone.
# Instead: beside a section that is known, a "Note:" is in no part of the result, and of two "Args:" the
# last one alone is. No error is raised.
#
# Seen on 2026-11-30:
#     Note alone: kept; Note behind Args: lost; first of two Args: lost
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq docstring_parser==0.18.0
cd "$work"
venv/bin/python - <<'EOF'
import sys

from docstring_parser import compose, parse

NOTE = "Note:\n    Keep it cold.\n"
ALONE = "Store it.\n\n" + NOTE
BESIDE = "Store it.\n\nArgs:\n    box: Where it goes.\n\n" + NOTE
TWICE = "Store it.\n\nArgs:\n    box: Keep it cold.\n\nArgs:\n    lid: What closes it.\n"
kept = ["Keep it cold" in compose(parse(text)) for text in (ALONE, BESIDE, TWICE)]
if kept != [True, False, False]:
    sys.exit(f"CHANGED: kept alone, behind Args, in the first of two Args: {kept}")
print("holds: Note alone: kept; Note behind Args: lost; first of two Args: lost")
EOF
