#!/usr/bin/env bash
# Installs other people's Python clients into .venv-interop (requirements/interop.in says why apart).
set -euo pipefail
cd "$(dirname "$0")/.."

uv=$(scripts/uv.sh)
[ -x .venv-interop/bin/python ] || "$uv" venv --quiet --python .venv/bin/python .venv-interop
VIRTUAL_ENV="$PWD/.venv-interop" "$uv" pip sync --quiet --require-hashes requirements/interop.txt
