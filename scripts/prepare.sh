#!/usr/bin/env bash
# From a fresh clone to a built library. Says what it does, not what compilers say, unless something fails.
# usage: prepare.sh build | test     what to install from Debian
set -euo pipefail
cd "$(dirname "$0")/.."

quietly() {
  local log
  log=$(mktemp)
  if ! "$@" > "$log" 2>&1; then
    cat "$log" >&2
    rm -f "$log"
    return 1
  fi
  rm -f "$log"
}

bash scripts/install-debian.sh "$1"
if [[ ! -d node_modules || package-lock.json -nt node_modules/.package-lock.json ]]; then
  echo 'installing npm packages'
  quietly npm ci --no-audit --no-fund
fi
echo 'building the addon, the launcher and the library'
quietly npm run build
