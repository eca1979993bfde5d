#!/bin/sh
# Makes .venv from the lock, with every extra, and Remit itself in it. A second run with the same lock does nothing.
set -eu
cd "$(dirname "$0")/.."

stamp=.venv/installed
wanted="$(cat requirements/dev.txt pyproject.toml scripts/install.sh | cksum) $PWD"
if [ -x .venv/bin/remit ] && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then exit 0; fi

if ! .venv/bin/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && command -v uv >/dev/null; then
  scripts/uv.sh venv --quiet --clear --python "$(scripts/python.sh || echo '>=3.11')" .venv
fi

export VIRTUAL_ENV="$PWD/.venv"
scripts/uv.sh pip sync --require-hashes requirements/dev.txt
# The build backend comes from the lock too, hence no isolation.
scripts/uv.sh pip install --quiet --no-deps --no-build-isolation --editable .
echo "$wanted" >"$stamp"
