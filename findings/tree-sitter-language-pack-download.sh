#!/usr/bin/env bash
# tree-sitter-language-pack 1.25.0
#
# Guess: once the package is installed, its grammars are there; packages of single grammars hold theirs.
# Instead: the wheel holds none. The first get_parser of a language fetches it from the network, so that
# a machine without one, or a build that is sealed, fails at run time.
#
# Seen on 2026-11-30, with the network's proxy set to a closed port:
#     get_parser("python"): DownloadError
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq tree-sitter-language-pack==1.25.0
cd "$work"
export HOME=$work XDG_CACHE_HOME=$work/cache
export HTTPS_PROXY=http://127.0.0.1:9 HTTP_PROXY=http://127.0.0.1:9
unset NO_PROXY no_proxy
venv/bin/python - <<'EOF'
import sys

import tree_sitter_language_pack

try:
    tree_sitter_language_pack.get_parser("python")
except Exception as error:
    if type(error).__name__ != "DownloadError":
        sys.exit(f"CHANGED: {type(error).__name__}")
else:
    sys.exit("CHANGED: the grammar is there without a network")
print('holds: get_parser("python"): DownloadError')
EOF
