#!/usr/bin/env bash
# What `make soak` runs on a built ponder: 200 kills of the micro recipe, with docs/results/soak-kill.md as their result;
# then the recipe once under AddressSanitizer and UBSan, for which everything is built a second time; then ten million
# inputs for each fuzz target.
#   tests/soak/soak.sh PATH_OF_PONDER
# Environment: SOAK_KILLS (another number of kills; their result is printed and not written down), SOAK_INPUTS (another
# number of inputs), BUILD, PONDER_JOBS.
set -euo pipefail
binary=$(realpath "$1")
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
. scripts/find_tools.sh
find_tools

kills=(--kills 200 --result docs/results/soak-kill.md)
if [ -n "${SOAK_KILLS:-}" ]; then kills=(--kills "$SOAK_KILLS"); fi
"$PYTHON3" tests/soak/kill_test.py "$binary" "${kills[@]}"

build=build-soak-address-undefined
BUILD=$build TORCH=ON CMAKE_ARGS="-DPONDER_SANITIZE=address,undefined -DCMAKE_BUILD_TYPE=Sanitize -DCMAKE_CXX_FLAGS_SANITIZE=-O1" scripts/build.sh ponder
run=$(mktemp -d)
trap 'rm -rf "$run"' EXIT
# Under kernels with much address randomness the sanitizers of g++ 12 find their shadow memory taken.
fixed_addresses=()
if setarch "$(uname -m)" -R true 2>/dev/null; then fixed_addresses=(setarch "$(uname -m)" -R); fi
# LibTorch keeps what it allocates for its own tables until the process ends; leaks of our own show in the plain wing.
ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=0:detect_stack_use_after_return=1} UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1} \
  "${fixed_addresses[@]}" "$build/ponder" run recipes/micro.yaml --out "$run/micro"
echo "soak: the micro recipe is clean under AddressSanitizer and UBSan"

status=0
BUILD=build-fuzz scripts/fuzz.sh "${SOAK_INPUTS:-10000000}" || status=$?
case $status in
  0) echo "soak: kills, sanitizers and fuzzing are done" ;;
  77) echo "soak: kills and sanitizers are done; NOT CHECKED: fuzzing, there is no clang with libFuzzer here" ;;
  *) exit "$status" ;;
esac
