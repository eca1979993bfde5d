#!/bin/sh
# Prints the first Python >= 3.11 on PATH; fails without a word when there is none.
for name in python3 python3.11 python3.12 python3.13 python3.14 python; do
  if command -v "$name" >/dev/null 2>&1 && "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
  then
    command -v "$name"
    exit 0
  fi
done
exit 1
