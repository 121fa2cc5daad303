#!/usr/bin/env bash
# Tests of the native code under AddressSanitizer, LeakSanitizer and UndefinedBehaviorSanitizer, as root. Needs Debian's clang-14 and
# doctest-dev.
#
#   npm run test:native                      everything
#   npm run test:native -- unit fuzz         some of: unit codec fuzz leaks root
#   CLOISTER_FUZZ_SECONDS=600 npm run test:native -- fuzz
#
# - unit:  C++ tests of addon/ (test/native/*_test.cc)
# - codec: plans that TypeScript encodes arrive natively field by field (vitest project `native`); makes the seeds of the fuzzers
# - fuzz:  libFuzzer on every decoder of foreign bytes (test/fuzz/native), for some seconds each
# - leaks: everything the addon exports, called again and again
# - root:  the integration suite with the sanitized addon and launcher
#
# Any report of a sanitizer is a failure, also one of a process that had nowhere to write it: test/native/sanitizer_report.cc.
# Prints "N passed, N failed" and appends what each part counted to the file that CLOISTER_TEST_COUNTS names.
set -uo pipefail
cd "$(dirname "$0")/.."

build=$PWD/build-sanitize
reports=$build/reports
corpus=$build/corpus
export CLOISTER_NATIVE=$build/Release
own_counts=$build/counts
all_counts=${CLOISTER_TEST_COUNTS:-}
export CLOISTER_TEST_COUNTS=$own_counts
[ $# -gt 0 ] || set -- unit codec fuzz leaks root

# count PASSED FAILED [WHAT-FAILED], words without quotes
count() { printf '{"passed":%d,"failed":%d,"failures":[%s]}\n' "$1" "$2" "${3:+\"$3\"}" >>"$own_counts"; }

# count_of passed|failed
count_of() { sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p" "$own_counts" | awk '{ sum += $1 } END { print sum + 0 }'; }

# A part that ends badly without having counted a failure has crashed.
part() {
  local before status
  before=$(count_of failed)
  echo "== $1"
  "part_$1"
  status=$?
  if [ $status -ne 0 ] && [ "$(count_of failed)" = "$before" ]; then
    echo "$1 ended with status $status" >&2
    count 0 1 "$1 ended with status $status"
  fi
}

part_unit() { "$CLOISTER_NATIVE/cloister-native-tests"; }

part_codec() {
  rm -rf "$corpus"
  CLOISTER_FUZZ_SEEDS=$corpus npx vitest run --project native
}

fuzz_one() {
  local name=$1 log=$build/fuzz/$1.log
  mkdir -p "$corpus/$name" "$build/fuzz/findings"
  if "$build/fuzz/$name" -max_total_time="${CLOISTER_FUZZ_SECONDS:-20}" -max_len=16384 -timeout=10 -rss_limit_mb=1024 \
    -artifact_prefix="$build/fuzz/findings/$name-" -print_final_stats=1 "$corpus/$name" >"$log" 2>&1; then
    echo "$name: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") inputs"
    count 1 0
  else
    cat "$log"
    count 0 1 "the fuzzer $name found something"
  fi
}

part_fuzz() {
  local program running=0
  for program in "$build"/fuzz/*; do
    [ -f "$program" ] && [ -x "$program" ] || continue
    fuzz_one "$(basename "$program")" &
    running=$((running + 1))
    [ $((running % $(nproc))) -ne 0 ] || wait
  done
  wait
  [ $running -gt 0 ]
}

# Runs Node with the runtime of the sanitizers that the addon was linked to.
sanitized() {
  local runtime
  runtime=$(clang++-14 -print-file-name="libclang_rt.asan-$(uname -m).so")
  env LD_PRELOAD="$runtime" UBSAN_OPTIONS="print_stacktrace=1:log_path=$reports/node" \
    ASAN_OPTIONS="$1:log_path=$reports/node" LSAN_OPTIONS="exitcode=0" "${@:2}"
}

part_leaks() {
  sanitized detect_leaks=1 node test/native/exercise-addon.mjs "$CLOISTER_NATIVE/cloister.node" || return 1
  # Node has leaks of its own at its end; ours have a frame of the addon.
  if grep -l cloister.node "$reports"/node.* 2>/dev/null; then
    cat "$reports"/node.*
    count 0 1 "the addon leaks"
  else
    count 1 0
  fi
  rm -f "$reports"/node.*
}

part_root() {
  local status
  rm -f "$reports"/*
  # Those that repeat themselves need not do so as often: what is looked for here is seen the first time.
  CLOISTER_LEAK_RUNS=${CLOISTER_LEAK_RUNS:-200} \
    sanitized detect_leaks=0 node node_modules/vitest/vitest.mjs run --project root test/integration/root test/escape
  status=$?
  check_reports
  return $status
}

# The launcher's are files full of zeroes unless something was written there.
check_reports() {
  local file failed=0
  for file in "$reports"/*; do
    [ -e "$file" ] || continue
    if tr -d '\0' <"$file" | grep -q .; then
      echo "report of a sanitizer, $(basename "$file"); addr2line -Cfie $CLOISTER_NATIVE/cloister-launcher ADDRESS names the offsets:"
      tr -d '\0' <"$file"
      failed=$((failed + 1))
    fi
  done
  if [ $failed -gt 0 ]; then count 0 "$failed" "$failed reports of sanitizers"; else count 1 0; fi
  rm -f "$reports"/*
}

npx cmake-js build --out "$build" --cc clang-14 --cxx clang++-14 --log-level error \
  --CDCLOISTER_SANITIZE=ON --CDCLOISTER_NATIVE_TESTS=ON || exit 1
: >"$own_counts"
mkdir -p "$reports"
for name in "$@"; do part "$name"; done

passed=$(count_of passed)
failed=$(count_of failed)
echo "$passed passed, $failed failed"
[ -z "$all_counts" ] || cat "$own_counts" >>"$all_counts"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
