#!/usr/bin/env bash
# Installs, builds, and runs programs that nobody should trust.
set -euo pipefail
cd "$(dirname "$0")/.."

if [[ $(id -u) -ne 0 ]]; then
  echo 'sandboxes are made by root for now: run this with sudo' >&2
  exit 1
fi
bash scripts/prepare.sh build
echo
exec node examples/quickstart.mjs
