#!/bin/sh
# Makes .venv from the lock, with every extra, and Remit itself in it. A second run with the same lock does nothing.
set -eu
cd "$(dirname "$0")/.."

stamp=.venv/installed
wanted=$(cat requirements/dev.txt pyproject.toml scripts/install.sh | cksum)
if [ "$(cat "$stamp" 2>/dev/null)" = "$wanted $PWD" ] && [ -x .venv/bin/remit ]; then exit 0; fi

uv=$(scripts/uv.sh)
if ! .venv/bin/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
  "$uv" venv --quiet --clear --python "$(scripts/python.sh || echo '>=3.11')" .venv
fi

export VIRTUAL_ENV="$PWD/.venv"
"$uv" pip sync --require-hashes requirements/dev.txt
# The build backend comes from the lock too, hence no isolation.
"$uv" pip install --quiet --no-deps --no-build-isolation --editable .
echo "$wanted $PWD" >"$stamp"
