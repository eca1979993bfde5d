#!/bin/sh
# Prints the path of a uv that works: the one on PATH, or else one installed into the project's own .venv.
set -eu
cd "$(dirname "$0")/.."

if command -v uv; then exit; fi
if .venv/bin/uv --version >/dev/null 2>&1; then echo "$PWD/.venv/bin/uv"; exit; fi

python=$(scripts/python.sh) || {
  echo "Remit needs Python 3.11 or newer, or uv (which finds one). Install either, then run this again." >&2
  exit 1
}
if ! .venv/bin/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
  "$python" -m venv --clear .venv >&2 || {
    echo "$python cannot make a virtual environment; on Debian and Ubuntu: apt-get install python3-venv" >&2
    exit 1
  }
fi
.venv/bin/python -m pip --version >/dev/null 2>&1 || .venv/bin/python -m ensurepip >&2
.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt >&2
echo "$PWD/.venv/bin/uv"
