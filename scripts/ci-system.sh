#!/usr/bin/env bash
# Installs what the tests take from the system. Asks apt only for what is missing, so a second run needs no network.
set -euo pipefail

packages=()
want() { command -v "$1" >/dev/null || packages+=("${@:2}"); }

want git git
want make make
want chromium chromium
want firefox-esr firefox-esr
want node nodejs
want npm npm
"$(dirname "$0")/python.sh" >/dev/null && python3 -c 'import ensurepip' 2>/dev/null || packages+=(python3 python3-venv)

if ((${#packages[@]})); then
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends "${packages[@]}"
fi
