#!/usr/bin/env bash
# Makes a Debian or Ubuntu machine fit to build ponder: finds what is missing, says what it is, installs it.
# System packages come from apt-get; LibTorch (and a newer CMake where the system's is too old) go into .deps/.
# With nothing missing it ends at once and prints nothing.
#   scripts/bootstrap.sh [--no-torch] [--fuzz]
#     --no-torch: only what the plain wing needs
#     --fuzz: also a clang with libFuzzer, where one can be had; without one nothing fails
# Environment: PONDER_TORCH_DIR (use this LibTorch), PONDER_TORCH_INDEX (pip index to fetch it from), and the names in
# find_tools.sh. Exit status 2: something is missing that cannot be installed from here; the message says what to do.
set -euo pipefail
# shellcheck source=scripts/find_tools.sh
. "$(dirname "${BASH_SOURCE[0]}")/find_tools.sh"

fetched_torch=2.13.0 # what the tests run with
# The CPU builds that PyTorch publishes; PyPI's own Linux wheels bring gigabytes of CUDA.
pytorch_cpu_index=https://download.pytorch.org/whl/cpu
optional_packages=(ccache mold) # faster builds; never worth a failure
libtorch_kib=1800000            # wheel and unpacked files, while pip holds both

say() { echo "bootstrap: $*" >&2; }
fail() {
  say "$*"
  exit 2
}

want_torch=yes want_fuzz=no
for option; do
  case "$option" in
    --no-torch) want_torch=no ;;
    --fuzz) want_fuzz=yes ;;
    *) fail "unknown option $option; there are --no-torch and --fuzz" ;;
  esac
done

must_fetch_torch() { [ "$want_torch" = yes ] && [ -z "$TORCH_DIR" ]; }
must_fetch_cmake() { [ -z "$CMAKE" ] && command -v cmake >/dev/null; } # there, but too old
python_with_pip() {
  local candidate
  for candidate in "$PYTHON3" /usr/bin/python3; do
    if [ -n "$candidate" ] && "$candidate" -m pip --version >/dev/null 2>&1; then
      echo "$candidate"
      return
    fi
  done
}

look_around() {
  find_tools
  find_libtorch
  pip_python=
  if must_fetch_torch || must_fetch_cmake; then pip_python=$(python_with_pip); fi
}

missing_packages() {
  local entry compiler
  command -v make >/dev/null || echo make
  command -v ninja >/dev/null || echo ninja-build
  command -v cmake >/dev/null || [ -n "$CMAKE" ] || echo cmake
  [ -n "$PYTHON3" ] || echo python3
  if { must_fetch_torch || must_fetch_cmake; } && [ -z "$pip_python" ]; then echo python3-pip; fi
  compiler=${CXX:-$(command -v g++ || true)}
  if [ -z "$CXX" ]; then
    if [ -n "$compiler" ]; then echo "g++-$oldest_gxx"; else echo g++; fi
  fi
  if [ -n "$compiler" ]; then
    packages_of_missing_headers "$compiler"
  else
    for entry in "${required_headers[@]}"; do
      dpkg -s "${entry#* }" >/dev/null 2>&1 || echo "${entry#* }"
    done
  fi
}

# Sets as_root to the words that run a command as root; fails where there are none.
find_root() {
  as_root=()
  if [ "$(id -u)" = 0 ]; then return 0; fi
  if command -v sudo >/dev/null; then
    if sudo -n true 2>/dev/null || [ -t 0 ]; then # without a terminal nobody can type a password
      as_root=(sudo)
      return 0
    fi
  fi
  return 1
}

apt() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=120 -o Dpkg::Use-Pty=0 "$@"; }
apt_knows() {
  local policy
  policy=$(LC_ALL=C apt-cache policy "$1" 2>/dev/null)
  [[ $policy == *"Candidate: "[!\(]* ]]
}

install_packages() {
  local log package command="apt-get install -y --no-install-recommends $*"
  say "missing packages: $*"
  if ! command -v apt-get >/dev/null; then
    fail "there is no apt-get here; install what those Debian packages hold by other means, then run the same command again"
  fi
  if ! find_root; then
    fail "this user may not install them. As root run
  apt-get update && $command
then run the same command again"
  fi
  log=$(mktemp)
  for package in "$@"; do
    if ! apt_knows "$package"; then
      say "apt-get update"
      apt update >"$log" 2>&1 || say "apt-get update failed: $(tail -n 1 "$log")"
      break
    fi
  done
  local -a wanted=("$@")
  for package in "${optional_packages[@]}"; do
    if ! command -v "$package" >/dev/null && apt_knows "$package"; then wanted+=("$package"); fi
  done
  say "apt-get install ${wanted[*]}"
  # Package lists that have grown old name files that are gone; fresh ones mend that.
  if ! apt install -y --no-install-recommends "${wanted[@]}" >"$log" 2>&1 &&
    ! { apt update && apt install -y --no-install-recommends "$@"; } >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    rm -f "$log"
    fail "apt-get could not install the packages (its last lines are above). Try as root: $command"
  fi
  rm -f "$log"
}

# pip_into FOLDER ARGUMENTS…: a package without its dependencies; the folder appears only when it is complete.
pip_into() {
  local folder=$1 aside=$1.partial bar=off
  shift
  if [ -t 2 ]; then bar=on; fi
  rm -rf "$aside"
  if ! PIP_USER=0 PIP_ROOT_USER_ACTION=ignore "$pip_python" -m pip --disable-pip-version-check --no-input install --no-deps --no-compile \
    --progress-bar "$bar" --target "$aside" "$@" >&2; then
    rm -rf "$aside"
    return 1
  fi
  rm -rf "$folder"
  mv "$aside" "$folder"
}

fetch_cmake() {
  say "cmake $(cmake --version | sed -n '1s/[^0-9]*//p') is too old, $oldest_cmake or newer is needed; fetching one with pip into .deps/cmake"
  pip_into "$ponder_deps/cmake" "cmake>=$oldest_cmake,<4" ||
    fail "pip could not fetch cmake. Install cmake $oldest_cmake or newer and name it in the environment variable CMAKE"
}

# Does pip, asked with these arguments, see the CPU build? Quick, also where nothing answers.
pip_sees_cpu_build() {
  local versions
  versions=$("$pip_python" -m pip --disable-pip-version-check index versions torch --timeout 5 --retries 0 "$@" 2>/dev/null || true)
  [[ $versions == *"$fetched_torch+cpu"* ]]
}

fetch_torch() {
  local free_kib remedy why
  remedy="Set PONDER_TORCH_INDEX to a pip index that holds torch $fetched_torch for CPU and for $("$pip_python" --version), \
or PONDER_TORCH_DIR to an unpacked LibTorch ($oldest_torch or newer)"
  free_kib=$(df -Pk "$ponder_deps" | awk 'NR == 2 { print $4 }')
  if [ "$free_kib" -lt "$libtorch_kib" ]; then
    fail "LibTorch needs $((libtorch_kib / 1000)) MB of disk while it is fetched and $((free_kib / 1000)) MB are free; free some, or set PONDER_TORCH_DIR to an unpacked LibTorch"
  fi
  say "LibTorch $fetched_torch for CPU: fetching about 200 MB with pip into .deps/libtorch"
  if [ -n "${PONDER_TORCH_INDEX:-}" ]; then
    pip_into "$ponder_deps/libtorch" --index-url "$PONDER_TORCH_INDEX" "torch==$fetched_torch" || fail "pip found no LibTorch there. $remedy"
  elif pip_sees_cpu_build; then # a mirror or a folder of wheels that this machine's pip is set up with
    pip_into "$ponder_deps/libtorch" "torch==$fetched_torch+cpu" || fail "pip could not fetch LibTorch. $remedy"
  elif pip_sees_cpu_build --index-url "$pytorch_cpu_index"; then
    pip_into "$ponder_deps/libtorch" --index-url "$pytorch_cpu_index" "torch==$fetched_torch+cpu" || fail "pip could not fetch LibTorch. $remedy"
  else
    say "PyTorch's CPU index does not answer; trying the index that pip is set up with"
    pip_into "$ponder_deps/libtorch" "torch==$fetched_torch" || fail "pip could not fetch LibTorch. $remedy"
  fi
  why=$(torch_unfit "$(torch_config_in "$ponder_deps/libtorch")")
  [ -z "$why" ] || fail "the fetched LibTorch is no use: $why. $remedy"
}

look_around
if [ -n "${PONDER_TORCH_DIR:-}" ] && must_fetch_torch; then
  config=$(torch_config_in "$PONDER_TORCH_DIR")
  if [ -z "$config" ]; then
    fail "PONDER_TORCH_DIR=$PONDER_TORCH_DIR holds no TorchConfig.cmake; name the folder that has share/cmake/Torch below it, or unset it"
  fi
  fail "the LibTorch in PONDER_TORCH_DIR=$PONDER_TORCH_DIR cannot be used: $(torch_unfit "$config")"
fi

# A second round: which g++ the system has shows only once it is installed.
for _ in 1 2; do
  mapfile -t packages < <(missing_packages)
  if [ "${#packages[@]}" -gt 0 ]; then
    install_packages "${packages[@]}"
    look_around
  fi
done
mapfile -t packages < <(missing_packages)
if [ "${#packages[@]}" -gt 0 ]; then
  fail "still missing after the installation: ${packages[*]} (g++ must be $oldest_gxx or newer; CXX and PYTHON3 in the environment name others)"
fi

if must_fetch_cmake || must_fetch_torch; then mkdir -p "$ponder_deps"; fi
if must_fetch_cmake; then fetch_cmake; fi
if must_fetch_torch; then fetch_torch; fi

if [ "$want_fuzz" = yes ] && [ -z "$(find_fuzzer)" ] && command -v apt-get >/dev/null && find_root; then
  for round in first second; do
    for release in "${fuzz_releases[@]}"; do
      if ! apt_knows "clang-$release"; then continue; fi
      packages=("clang-$release")
      if apt_knows "libclang-rt-$release-dev"; then packages+=("libclang-rt-$release-dev"); fi
      say "apt-get install ${packages[*]}"
      apt install -y --no-install-recommends "${packages[@]}" >/dev/null 2>&1 || say "apt-get could not install them"
      break 2
    done
    [ "$round" = second ] || apt update >/dev/null 2>&1 || true
  done
fi
