#!/usr/bin/env bash
# safetensors 0.8.0, torch 2.13.0, numpy 2.4.6
#
# Guess: where a valid file's header has an odd length, so that its values begin at an odd byte, loading
# copies them to an aligned place; the writer of the library pads the header, but the format asks nobody to.
# Instead: safetensors.torch.load_file gives a float32 tensor at an odd address, which torch computes
# with and numpy calls unaligned. safetensors.torch.load, from the same bytes, gives an aligned one.
#
# Seen on 2026-11-30, with one space behind a header of a multiple of 8 bytes:
#     load_file: address 1 behind a multiple of 4, numpy's flag False; load: 0, True; values the same
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq torch==2.13.0 numpy==2.4.6 safetensors==0.8.0
cd "$work"
venv/bin/python - <<'EOF'
import json
import struct
import sys
from pathlib import Path

import numpy as np
from safetensors.torch import load, load_file

values = np.arange(8, dtype=np.float32)
header = json.dumps({"w": {"dtype": "F32", "shape": [8], "data_offsets": [0, 32]}}).encode()
header += b" " * (-len(header) % 8 + 1)
file = Path("odd.safetensors")
file.write_bytes(struct.pack("<Q", len(header)) + header + values.tobytes())
try:
    from_file, from_bytes = load_file(file)["w"], load(file.read_bytes())["w"]
except Exception as error:
    sys.exit(f"CHANGED: refused with {type(error).__name__}")
if from_file.tolist() != values.tolist() or from_bytes.tolist() != values.tolist():
    sys.exit("CHANGED: other values")
seen = [(t.data_ptr() % 4, bool(t.numpy().flags.aligned)) for t in (from_file, from_bytes)]
if seen != [(1, False), (0, True)]:
    sys.exit(f"CHANGED: {seen}")
print("holds: load_file: address 1 behind a multiple of 4, numpy's flag False; load: 0, True;"
      " values the same")
EOF
