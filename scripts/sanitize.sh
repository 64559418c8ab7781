#!/usr/bin/env bash
# Builds the plain wing with sanitizers, in a build folder of its own, and runs its tests; arguments behind the first go
# to ctest. Exit status 77: programs with these sanitizers do not run on this machine, nothing was checked.
#   scripts/sanitize.sh [address,undefined|thread] [ctest arguments]
set -euo pipefail
# shellcheck source=scripts/find_tools.sh
. "$(dirname "${BASH_SOURCE[0]}")/find_tools.sh"
cd "$ponder_root"
kinds=${1:-address,undefined}
shift || true

export BUILD=build-${kinds//,/-} TORCH=OFF CMAKE_ARGS="-DPONDER_SANITIZE=$kinds -DCMAKE_BUILD_TYPE=Sanitize -DCMAKE_CXX_FLAGS_SANITIZE=-O1"
export ASAN_OPTIONS=${ASAN_OPTIONS:-strict_string_checks=1:detect_stack_use_after_return=1}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}
export TSAN_OPTIONS=${TSAN_OPTIONS:-halt_on_error=1:second_deadlock_stack=1}

# Under kernels with much address randomness the sanitizers of g++ 12 find their shadow memory taken, now and then or
# always; a container may not be allowed to switch the randomness off.
fixed_addresses=()
if setarch "$(uname -m)" -R true 2>/dev/null; then fixed_addresses=(setarch "$(uname -m)" -R); fi

programs_run() {
  local folder status=0
  folder=$(mktemp -d)
  echo 'int main() {}' >"$folder/probe.cc"
  "$CXX" "-fsanitize=$kinds" -o "$folder/probe" "$folder/probe.cc" || status=1
  for _ in 1 2 3 4 5 6 7 8; do
    [ "$status" = 0 ] || break
    "${fixed_addresses[@]}" "$folder/probe" >/dev/null 2>&1 || status=1
  done
  rm -rf "$folder"
  return "$status"
}

scripts/bootstrap.sh --no-torch
find_tools
if ! programs_run; then
  echo "sanitize: programs built with -fsanitize=$kinds do not run here; NOTHING was checked" >&2
  exit 77
fi
scripts/build.sh
exec "${fixed_addresses[@]}" scripts/test.sh "$@"
