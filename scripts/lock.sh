#!/bin/sh
# Resolves every lock anew: pinned, with hashes, for every platform, and without the name of any package host.
#   scripts/lock.sh [--upgrade]
set -eu
cd "$(dirname "$0")/.."
export UV_CUSTOM_COMPILE_COMMAND="make lock"

compile() {
  scripts/uv.sh pip compile --quiet --universal --generate-hashes --no-emit-index-url --python-version 3.11 "$@"
}

compile "$@" requirements/uv.in -o requirements/uv.txt
compile "$@" --extra dev pyproject.toml -o requirements/dev.txt
compile "$@" requirements/interop.in -o requirements/interop.txt
compile "$@" requirements/agents.in -o requirements/agents.txt
