#!/usr/bin/env bash
# Installs what is missing, configures when that is needed, builds.
#   scripts/build.sh [TARGET…]     all targets when none is named
# Environment: BUILD (folder, default build), TORCH=OFF (plain wing only), CMAKE_ARGS (more for cmake), PONDER_JOBS.
set -euo pipefail
# shellcheck source=scripts/find_tools.sh
. "$(dirname "${BASH_SOURCE[0]}")/find_tools.sh"
cd "$ponder_root"
build=${BUILD:-build}

if [ "${TORCH:-ON}" = OFF ]; then
  scripts/bootstrap.sh --no-torch
  find_tools
  torch_arguments=(-DPONDER_TORCH=OFF)
else
  scripts/bootstrap.sh
  find_tools
  find_libtorch
  torch_arguments=(-DPONDER_TORCH=ON "-DTorch_DIR=$TORCH_DIR")
fi

read -r -a more_arguments <<<"${CMAKE_ARGS:-}"
configure=("$CMAKE" -S . -B "$build" -G Ninja "-DCMAKE_CXX_COMPILER=$CXX" "${torch_arguments[@]}" "${more_arguments[@]}")
configured=$build/.configured-with # another compiler or LibTorch must not meet the cache of the old one
if [ ! -f "$build/build.ninja" ] || [ "$(cat "$configured" 2>/dev/null)" != "${configure[*]}" ]; then
  "${configure[@]}" --fresh -Wno-dev
  echo "${configure[*]}" >"$configured"
fi
exec "$CMAKE" --build "$build" --parallel "$(build_jobs)" ${1:+--target "$@"}
