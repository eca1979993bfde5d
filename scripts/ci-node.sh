#!/usr/bin/env bash
# Installs the Node.js packages that the tests and the bench pin, each directory from its own lock. Where the system's
# Node.js is older than 22, a newer one comes from npm into .venv-node, which tests/needs.py prefers.
set -euo pipefail
cd "$(dirname "$0")/.."

major() { "$1" -p 'process.versions.node.split(".")[0]' 2>/dev/null || echo 0; }

if (($(major node) < 22)) && (($(major .venv-node/node_modules/.bin/node) < 22)); then
  npm install --silent --no-save --prefix .venv-node node@22
fi

while read -r lock; do
  directory=$(dirname "$lock")
  # npm leaves a copy of the lock behind: the same lock means the same packages.
  if ! [ "$directory/node_modules/.package-lock.json" -nt "$lock" ]; then
    npm ci --silent --prefix "$directory" --userconfig .npmrc
  fi
done < <(git ls-files '*package-lock.json')
