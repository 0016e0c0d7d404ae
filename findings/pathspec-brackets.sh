#!/usr/bin/env bash
# pathspec 1.1.1 (GitIgnoreSpec), git
#
# Guess: GitIgnoreSpec, which promises git's behaviour, reads brackets as git does: what they match is
# never a slash, and [[:alpha:]] is a letter.
# Instead: a negated class matches a slash too, so that a[!x]b ignores the file b in the folder a; and
# classes with names match nothing.
#
# Seen on 2026-11-30 (git 2.39.5):
#     a[!x]b: git ignores a-b, pathspec a-b a/b; v[[:digit:]]: git ignores v1, pathspec nothing
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq pathspec==1.1.1
cd "$work"
git init -q tree
mkdir tree/a
touch tree/a/b tree/a-b tree/v1
venv/bin/python - <<'EOF'
import subprocess
import sys
import warnings

from pathspec import GitIgnoreSpec

FILES = ["a-b", "a/b", "v1"]
warnings.simplefilter("ignore")


def ignored(pattern):
    with open("tree/.gitignore", "w") as file:
        file.write(pattern + "\n")
    command = ["git", "-C", "tree", "check-ignore", *FILES]
    git = subprocess.run(command, capture_output=True, text=True).stdout.split()
    spec = GitIgnoreSpec.from_lines([pattern])
    return git, [file for file in FILES if spec.match_file(file)]


slash, named = ignored("a[!x]b"), ignored("v[[:digit:]]")
if slash != (["a-b"], ["a-b", "a/b"]):
    sys.exit(f"CHANGED: a[!x]b: git and pathspec ignore {slash}")
if named != (["v1"], []):
    sys.exit(f"CHANGED: v[[:digit:]]: git and pathspec ignore {named}")
print("holds: a[!x]b: git ignores a-b, pathspec a-b a/b;"
      " v[[:digit:]]: git ignores v1, pathspec nothing")
EOF
