#!/usr/bin/env bash
# Builds the plain wing with sanitizers, in a build folder of its own, and runs its tests; arguments behind the first go
# to ctest.
#   scripts/sanitize.sh [address,undefined|thread] [ctest arguments]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
kinds=${1:-address,undefined}
shift || true

export BUILD=build-${kinds//,/-} TORCH=OFF CMAKE_ARGS="-DPONDER_SANITIZE=$kinds -DCMAKE_BUILD_TYPE=Sanitize -DCMAKE_CXX_FLAGS_SANITIZE=-O1"
export ASAN_OPTIONS=${ASAN_OPTIONS:-strict_string_checks=1:detect_stack_use_after_return=1}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}
export TSAN_OPTIONS=${TSAN_OPTIONS:-halt_on_error=1:second_deadlock_stack=1}

scripts/build.sh
# Under kernels with much address randomness the sanitizers of g++ 12 find their shadow memory taken.
fixed_addresses=()
if setarch "$(uname -m)" -R true 2>/dev/null; then fixed_addresses=(setarch "$(uname -m)" -R); fi
exec "${fixed_addresses[@]}" scripts/test.sh "$@"
