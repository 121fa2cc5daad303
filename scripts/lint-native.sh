#!/usr/bin/env bash
# clang-tidy over the native code, as .clang-tidy says. Needs clang and clang-tidy of Debian's version 14.
#
#   npm run lint:native [file.cc...]
set -euo pipefail
cd "$(dirname "$0")/.."

build=build-sanitize
# The same directory and options as scripts/test-native.sh: neither makes the other start over. Nothing is compiled here.
npx cmake-js configure --out "$build" --cc clang-14 --cxx clang++-14 --log-level error \
  --CDCLOISTER_SANITIZE=ON --CDCLOISTER_NATIVE_TESTS=ON >"$build.log" 2>&1 || { cat "$build.log"; exit 1; }
rm -f "$build.log"

# kernel/ is compiled for several programs; clang-tidy would look at it as often.
mkdir -p "$build/lint"
node -e '
  const { readFileSync, writeFileSync } = require("node:fs");
  const all = JSON.parse(readFileSync(process.argv[1], "utf8"));
  const once = new Map(all.map((each) => [each.file, each]));
  writeFileSync(process.argv[2], JSON.stringify([...once.values()]));
' "$build/compile_commands.json" "$build/lint/compile_commands.json"

if [ $# -eq 0 ]; then
  set -- addon/*/*.cc
  for file in test/native/*.cc test/fuzz/native/*.cc; do [ ! -e "$file" ] || set -- "$@" "$file"; done
fi

# Each check that fires is a line on standard output; the count of what .clang-tidy left out goes to standard error.
printf '%s\0' "$@" | xargs -0 -n 1 -P "$(nproc)" clang-tidy-14 -p "$build/lint" --quiet 2> >(grep -vE '^[0-9]+ warnings? generated|^Suppressed|^Use -' >&2)
