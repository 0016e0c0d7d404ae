#!/usr/bin/env bash
# safetensors 0.8.0, numpy 2.4.6
#
# Guess: saving a transposed array stores its values, as numpy's own save does, or is refused, as
# safetensors.torch refuses such a tensor. (The docstring asks for contiguous arrays.)
# Instead: the shape is stored with the bytes in the order they lie in memory. What is read back has
# other values, and no word is said.
#
# Seen on 2026-11-30, saved [[0, 3], [1, 4], [2, 5]]:
#     read back [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq safetensors==0.8.0 numpy==2.4.6
cd "$work"
venv/bin/python - <<'EOF'
import sys

import numpy as np
from safetensors.numpy import load_file, save_file

saved = np.arange(6, dtype=np.float32).reshape(2, 3).T
try:
    save_file({"weight": saved}, "a.safetensors")
except Exception as error:
    sys.exit(f"CHANGED: refused with {type(error).__name__}")
read = load_file("a.safetensors")["weight"]
if read.tolist() != [[0, 1], [2, 3], [4, 5]]:
    sys.exit(f"CHANGED: read back {read.tolist()}")
print(f"holds: saved {saved.tolist()}, read back {read.tolist()}")
EOF
