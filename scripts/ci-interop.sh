#!/usr/bin/env bash
# Installs other people's Python clients into .venv-interop (requirements/interop.in says why apart).
set -euo pipefail
cd "$(dirname "$0")/.."

[ -x .venv-interop/bin/python ] || scripts/uv.sh venv --quiet --python .venv/bin/python .venv-interop
VIRTUAL_ENV="$PWD/.venv-interop" scripts/uv.sh pip sync --quiet --require-hashes requirements/interop.txt
