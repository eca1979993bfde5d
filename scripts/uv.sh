#!/bin/sh
# Runs uv: the one on PATH, or else one installed, from its own lock, into the project's .venv.
#   scripts/uv.sh ARGUMENTS...
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)

# What the machine trusts, uv trusts: behind a company's TLS proxy its own list of authorities is not enough.
export UV_SYSTEM_CERTS="${UV_SYSTEM_CERTS:-1}"

if command -v uv >/dev/null; then exec uv "$@"; fi

if ! "$root/.venv/bin/uv" --version >/dev/null 2>&1; then
  python=$("$root/scripts/python.sh") || {
    echo "Remit needs Python 3.11 or newer, or uv (which finds one). Install either, then run this again." >&2
    exit 1
  }
  if ! "$root/.venv/bin/python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    "$python" -m venv --clear "$root/.venv" >&2 || {
      echo "$python cannot make a virtual environment; on Debian and Ubuntu: apt-get install python3-venv" >&2
      exit 1
    }
  fi
  "$root/.venv/bin/python" -m pip --version >/dev/null 2>&1 || "$root/.venv/bin/python" -m ensurepip >&2
  "$root/.venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes \
    -r "$root/requirements/uv.txt" >&2
fi
exec "$root/.venv/bin/uv" "$@"
