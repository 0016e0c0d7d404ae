#!/usr/bin/env bash
# gguf 0.19.0
#
# Guess: GGUFWriter.add_string(key, "") and add_array(key, []) write an empty value, as the format can, or
# are refused. Zero and False are written.
# Instead: an empty array leaves no key behind, without a word; so does an empty string. Who reads the
# file cannot tell "empty" from "not said".
#
# Seen on 2026-11-30:
#     keys written: zero, no; keys lost: text, list
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq gguf==0.19.0
cd "$work"
venv/bin/python - <<'EOF'
import sys

from gguf import GGUFReader, GGUFWriter

writer = GGUFWriter("a.gguf", "example")
try:
    writer.add_string("text", "")
    writer.add_array("list", [])
    writer.add_uint32("zero", 0)
    writer.add_bool("no", False)
except Exception as error:
    sys.exit(f"CHANGED: refused with {type(error).__name__}")
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
keys = GGUFReader("a.gguf").fields
written = [key for key in ("text", "list", "zero", "no") if key in keys]
if written != ["zero", "no"]:
    sys.exit(f"CHANGED: keys written: {', '.join(written)}")
print("holds: keys written: zero, no; keys lost: text, list")
EOF
