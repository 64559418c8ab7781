#!/usr/bin/env bash
# Holds src/ and fuzz/ against .clang-format; --fix writes the files anew. Exit status 77: there is no clang-format here.
# Releases of clang-format differ in small things, so another release than the one named here only reports.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
judging_release=14

if ! command -v clang-format >/dev/null; then
  echo "check_style: clang-format is not installed, nothing was checked" >&2
  exit 77
fi
mapfile -d '' files < <(git ls-files -z --cached --others --exclude-standard -- 'src/*.h' 'src/*.cc' 'src/*.cu' 'fuzz/*.cc')
if [ "${1:-}" = --fix ]; then
  printf '%s\0' "${files[@]}" | xargs -0 -r clang-format -i
  exit 0
fi
if printf '%s\0' "${files[@]}" | xargs -0 -r -n 20 -P "$(nproc)" clang-format --dry-run --Werror; then exit 0; fi
release=$(clang-format --version | sed 's/.*version \([0-9]*\).*/\1/')
echo "check_style: scripts/check_style.sh --fix writes them as clang-format $release wants them" >&2
[ "$release" != "$judging_release" ]
