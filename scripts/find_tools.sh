# Sourced by bootstrap.sh and build.sh: finds what a build needs. It installs nothing and prints nothing.
# What the user names in the environment wins: CMAKE, CXX, PYTHON3, PONDER_TORCH_DIR, Torch_DIR, CMAKE_PREFIX_PATH.
# shellcheck shell=bash disable=SC2034

ponder_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
ponder_deps=$ponder_root/.deps # fetched pieces live here, outside of git and of the system

oldest_cmake=3.25
oldest_gxx=12
fuzz_releases=(19 18 17 16 15 14) # of clang, the first that is there
oldest_torch=2.11 # the tensor wing keeps to this API

# A header that the build includes, and the Debian package that brings it.
required_headers=(
  "nlohmann/json.hpp nlohmann-json3-dev"
  "yaml-cpp/yaml.h libyaml-cpp-dev"
  "simdjson.h libsimdjson-dev"
  "zstd.h libzstd-dev"
  "gmpxx.h libgmp-dev"
  "mpfr.h libmpfr-dev"
  "zlib.h zlib1g-dev"
  "CLI/CLI.hpp libcli11-dev"
  "gtest/gtest.h libgtest-dev"
)

# version_at_least HAVE WANT, dotted numbers.
version_at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

find_cmake() {
  local candidate version
  for candidate in "${CMAKE:-cmake}" "$ponder_deps/cmake/cmake/data/bin/cmake"; do
    version=$("$candidate" --version 2>/dev/null | sed -n '1s/[^0-9]*//p')
    if version_at_least "$version" "$oldest_cmake"; then
      command -v "$candidate"
      return
    fi
  done
}

find_cxx() {
  local candidate version
  if [ -n "${CXX:-}" ]; then # another compiler, clang for instance, is the user's choice and is not judged by g++'s numbers
    command -v "$CXX"
    return
  fi
  for candidate in g++ g++-15 g++-14 g++-13 g++-12; do
    version=$("$candidate" -dumpversion 2>/dev/null)
    if version_at_least "$version" "$oldest_gxx"; then
      command -v "$candidate"
      return
    fi
  done
}

# A clang that links libFuzzer and both sanitizers, and whose programs run.
find_fuzzer() {
  local candidate folder
  folder=$(mktemp -d)
  echo 'extern "C" int LLVMFuzzerTestOneInput(const unsigned char*, unsigned long) { return 0; }' >"$folder/probe.cc"
  for candidate in "${FUZZ_CXX:-clang++}" "${fuzz_releases[@]/#/clang++-}"; do
    if "$candidate" -std=c++20 -fsanitize=fuzzer,address,undefined -o "$folder/probe" "$folder/probe.cc" 2>/dev/null &&
      "$folder/probe" -runs=1 >/dev/null 2>&1; then
      command -v "$candidate"
      break
    fi
  done
  rm -rf "$folder"
}

find_python() {
  local candidate
  for candidate in "${PYTHON3:-python3}" /usr/bin/python3; do # a version manager's python3 can be a shim that runs nothing
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 8))' 2>/dev/null; then
      command -v "$candidate"
      return
    fi
  done
}

# Sets CMAKE, CXX and PYTHON3 to what is fit for use, "" where there is none.
find_tools() {
  CMAKE=$(find_cmake || true)
  CXX=$(find_cxx || true)
  PYTHON3=$(find_python || true)
}

# Prints the packages of the required_headers that compiler $1 does not see; one run of the preprocessor for all.
packages_of_missing_headers() {
  local i
  for i in "${!required_headers[@]}"; do
    printf '#if !__has_include(<%s>)\nmissing %s\n#endif\n' "${required_headers[$i]% *}" "$i"
  done | "$1" -std=c++20 -E -P -x c++ - 2>/dev/null | while read -r word i; do
    if [ "$word" = missing ]; then echo "${required_headers[$i]#* }"; fi
  done
}

# Prints the folder with TorchConfig.cmake below a LibTorch, a Python package torch or a CMake prefix.
torch_config_in() {
  local below
  for below in "" /share/cmake/Torch /Torch /torch/share/cmake/Torch; do
    if [ -f "$1$below/TorchConfig.cmake" ]; then
      echo "$1$below"
      return
    fi
  done
}

# Says why the LibTorch with this config folder cannot be used; prints nothing when it can.
torch_unfit() {
  local version
  version=$(sed -n 's/^set(PACKAGE_VERSION "\([0-9.]*\).*/\1/p' "$1/TorchConfigVersion.cmake" 2>/dev/null)
  if ! version_at_least "$version" "$oldest_torch"; then
    echo "it is version ${version:-unknown}; $oldest_torch or newer is needed"
  fi
}

# Takes the LibTorch at $1 as TORCH_DIR when it is one and is fit.
take_libtorch() {
  local config
  [ -n "$1" ] || return 1
  config=$(torch_config_in "$1")
  [ -n "$config" ] && [ -z "$(torch_unfit "$config")" ] || return 1
  TORCH_DIR=$config
}

# Sets TORCH_DIR to the folder with the TorchConfig.cmake to use, "" when there is none that fits.
find_libtorch() {
  local place
  local -a places
  TORCH_DIR=
  if [ -n "${PONDER_TORCH_DIR:-}" ]; then
    take_libtorch "$PONDER_TORCH_DIR" || true
    return 0
  fi
  IFS=: read -r -a places <<<"${Torch_DIR:-}:${CMAKE_PREFIX_PATH:-}:$ponder_deps/libtorch"
  for place in "${places[@]}"; do
    if take_libtorch "$place"; then return 0; fi
  done
  [ -n "$PYTHON3" ] || return 0
  # Python's torch is looked up, not imported: importing it takes seconds.
  place=$("$PYTHON3" -c 'import importlib.util, os
spec = importlib.util.find_spec("torch")
print(os.path.dirname(spec.origin) if spec and spec.origin else "")' 2>/dev/null || true)
  take_libtorch "$place" || true
}

# Prints how many compilers may run side by side: one a core, and 2 GiB of memory each.
build_jobs() {
  local jobs memory_kib limit
  jobs=$(nproc)
  memory_kib=$(awk '/^MemTotal:/ { print $2 }' /proc/meminfo)
  limit=$(cat /sys/fs/cgroup/memory.max 2>/dev/null || true) # a container may have less than the machine
  case "$limit" in
    "" | *[!0-9]*) ;;
    *) if [ $((limit / 1024)) -lt "$memory_kib" ]; then memory_kib=$((limit / 1024)); fi ;;
  esac
  if [ $((memory_kib / 2097152)) -lt "$jobs" ]; then jobs=$((memory_kib / 2097152)); fi
  if [ "$jobs" -lt 1 ]; then jobs=1; fi
  echo "${PONDER_JOBS:-$jobs}"
}
