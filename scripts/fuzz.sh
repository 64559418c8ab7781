#!/usr/bin/env bash
# Builds the fuzz targets of fuzz/CMakeLists.txt with clang, under AddressSanitizer and UBSan, and runs them one after the
# other. Exit status 77: there is no clang with libFuzzer on this machine, nothing was checked.
#   scripts/fuzz.sh [20s|1000000] [TARGET…]     so many seconds or inputs a target (default 20s); all targets when none is named
# Environment: BUILD (folder, default build-fuzz, for numbers of inputs build-soak; what was found worth keeping stays in its corpus/,
# findings in findings/).
set -euo pipefail
# shellcheck source=scripts/find_tools.sh
. "$(dirname "${BASH_SOURCE[0]}")/find_tools.sh"
cd "$ponder_root"
amount=${1:-20s}
if [[ ! $amount =~ ^[0-9]+s?$ ]]; then
  echo "fuzz: \"$amount\" is neither seconds (20s) nor a number of inputs (1000000)" >&2
  exit 2
fi
# Many inputs want speed: inputs no longer than the longest seed, no eye on what is compared with what (a seed has the words), a short
# memory of what was freed, no stacks of allocations (a finding is run again to see them). A loaded machine may take minutes for what
# takes milliseconds, so a hang is one of ten minutes there.
limit=-runs=$amount longest=2304 timeout=600 folder=build-soak flags='-O2 -fno-sanitize-coverage=trace-cmp'
checks=malloc_context_size=0:detect_stack_use_after_return=0:quarantine_size_mb=16
if [[ $amount = *s ]]; then limit=-max_total_time=${amount%s} longest=4096 timeout=10 folder=build-fuzz flags=-O1 checks=''; fi
export BUILD=${BUILD:-$folder}
shift || true
mapfile -t known < <(sed -n 's/^ponder_fuzz(\([a-z0-9_]*\) .*/\1/p' fuzz/CMakeLists.txt)
targets=("$@")
if [ "${#targets[@]}" = 0 ]; then targets=("${known[@]}"); fi
for target in "${targets[@]}"; do
  if [[ " ${known[*]} " != *" $target "* ]]; then
    echo "fuzz: there is no target $target; valid: ${known[*]}" >&2
    exit 2
  fi
done

scripts/bootstrap.sh --no-torch --fuzz
find_tools
CXX=$(find_fuzzer)
if [ -z "$CXX" ]; then
  echo "fuzz: there is no clang with libFuzzer here; NOTHING was fuzzed" >&2
  exit 77
fi
export CXX
TORCH=OFF CMAKE_ARGS="-DPONDER_FUZZ=ON -DPONDER_TESTS=OFF -DCMAKE_BUILD_TYPE=Fuzz" CXXFLAGS=$flags scripts/build.sh "${targets[@]/%/_fuzz}" >&2
"$PYTHON3" fuzz/seeds.py "$BUILD/seeds"

status=0
for target in "${targets[@]}"; do
  corpus=$BUILD/corpus/$target log=$BUILD/$target.log
  mkdir -p "$corpus" "$BUILD/seeds/$target" "$BUILD/findings"
  if ASAN_OPTIONS=$checks:${ASAN_OPTIONS:-} "$BUILD/fuzz/${target}_fuzz" "$limit" -max_len=$longest -timeout=$timeout -rss_limit_mb=1024 -malloc_limit_mb=256 -print_final_stats=1 \
    "-artifact_prefix=$BUILD/findings/$target-" "$corpus" "$BUILD/seeds/$target" >"$log" 2>&1; then
    echo "fuzz: $target: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") inputs, no finding"
  else
    status=1
    tail -n 60 "$log" >&2
    echo "fuzz: $target: a FINDING; the input lies in $BUILD/findings/, the whole log is $log" >&2
  fi
done
exit "$status"
