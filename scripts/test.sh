#!/usr/bin/env bash
# Runs the tests that scripts/build.sh built; arguments go to ctest (-R NAME, -L LABEL, …).
set -euo pipefail
# shellcheck source=scripts/find_tools.sh
. "$(dirname "${BASH_SOURCE[0]}")/find_tools.sh"
cd "$ponder_root"
find_tools
exec "$(dirname "$CMAKE")/ctest" --test-dir "${BUILD:-build}" --output-on-failure --no-tests=error --parallel "$(build_jobs)" "$@"
