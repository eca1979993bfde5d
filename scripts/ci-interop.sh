#!/usr/bin/env bash
# Installs other people's Python clients into .venv-interop and .venv-agents (requirements/*.in say why apart).
set -euo pipefail
cd "$(dirname "$0")/.."

for of in interop agents; do
  [ -x ".venv-$of/bin/python" ] || scripts/uv.sh venv --quiet --python .venv/bin/python ".venv-$of"
  VIRTUAL_ENV="$PWD/.venv-$of" scripts/uv.sh pip sync --quiet --require-hashes "requirements/$of.txt"
done
