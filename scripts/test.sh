#!/usr/bin/env bash
# Runs the tests that scripts/build.sh built; arguments go to ctest (-R NAME, -L LABEL, …), whose exit status this has. At
# the end it says which tests were skipped, and why.
set -euo pipefail
# shellcheck source=scripts/find_tools.sh
. "$(dirname "${BASH_SOURCE[0]}")/find_tools.sh"
cd "$ponder_root"
find_tools
build=${BUILD:-build}
log=$build/Testing/Temporary/LastTest.log
rm -f "$log" # of an earlier run
status=0
"$(dirname "$CMAKE")/ctest" --test-dir "$build" --output-on-failure --no-tests=error --parallel "$(build_jobs)" "$@" || status=$?
if [ -f "$log" ]; then "$PYTHON3" scripts/test_summary.py "$log"; fi
exit "$status"
