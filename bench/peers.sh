#!/usr/bin/env bash
# Installs what `make bench` compares ponder with: PyTorch, transformers and TRL in a Python environment of their own,
# and llama.cpp's batched bench and quantizer built from source, with a small program that follows given tokens
# (peers/llama_follow.cc, for tests/reference/check_llama_cpp.py). Run by `make bench-peers`. Finished pieces are kept, so a second call
# ends at once and an interrupted one goes on. About 3 GB of disk; nothing outside the folder is touched.
# Environment: PONDER_BENCH_ENV (folder, default .deps/bench), PONDER_TORCH_INDEX (pip index that holds torch),
# PONDER_JOBS, and the names in scripts/find_tools.sh.
set -euo pipefail
# shellcheck source=scripts/find_tools.sh
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/find_tools.sh"

# The versions that docs/benchmarks.md was measured with.
torch_version=2.13.0
python_packages=(transformers==5.23.0 trl==1.16.0 gguf==0.19.0)
llama_package=llama-cpp-python==0.3.36 # its source archive holds llama.cpp
llama_targets=(llama-batched-bench llama-quantize)
pytorch_cpu_index=https://download.pytorch.org/whl/cpu # PyPI's own Linux wheels bring gigabytes of CUDA

home=${PONDER_BENCH_ENV:-$ponder_deps/bench}
python=$home/bin/python3
log=$home/install.log

say() { echo "bench-peers: $*" >&2; }
fail() {
  say "$*"
  exit 2
}
# logged WHAT COMMAND…: runs it quietly; when it fails, its last lines are shown.
logged() {
  local what=$1
  shift
  say "$what"
  if ! "$@" >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    fail "failed: $what (the whole log: $log). The same command goes on from here"
  fi
}
pip() { "$python" -m pip --disable-pip-version-check --no-input "$@"; }
has_packages() { # NAME==VERSION…; torch's version may have a build's name behind it, as in 2.13.0+cpu
  "$python" - "$@" 2>/dev/null <<'PYTHON'
import importlib.metadata, sys
for wanted in sys.argv[1:]:
    name, version = wanted.split("==")
    if importlib.metadata.version(name).split("+")[0] != version:
        sys.exit(1)
PYTHON
}

make_environment() {
  if [ -x "$python" ] && pip --version >/dev/null 2>&1; then return; fi
  [ -n "$PYTHON3" ] || fail "there is no python3 of version 3.8 or newer; PYTHON3 in the environment names one"
  mkdir -p "$home"
  logged "a Python environment in $home" "$PYTHON3" -m venv "$home"
}

sees_cpu_build() {
  local versions
  versions=$(pip index versions torch --timeout 5 --retries 0 "$@" 2>/dev/null || true)
  [[ $versions == *"$torch_version+cpu"* ]]
}

install_torch() {
  if has_packages "torch==$torch_version"; then return; fi
  local -a from
  if [ -n "${PONDER_TORCH_INDEX:-}" ]; then
    from=(--extra-index-url "$PONDER_TORCH_INDEX" "torch==$torch_version")
  elif sees_cpu_build; then
    from=("torch==$torch_version+cpu")
  elif sees_cpu_build --index-url "$pytorch_cpu_index"; then
    from=(--extra-index-url "$pytorch_cpu_index" "torch==$torch_version+cpu")
  else
    from=("torch==$torch_version")
  fi
  logged "torch $torch_version, about 200 MB to fetch" pip install "${from[@]}"
}

install_packages() {
  if has_packages "${python_packages[@]}"; then return; fi
  logged "${python_packages[*]}" pip install "${python_packages[@]}"
}

build_llama() {
  local target source=$home/llama/source build=$home/llama/build
  local follow=$home/llama/llama_follow
  for target in "${llama_targets[@]}"; do [ -x "$home/llama/$target" ] || break; done
  if [ -x "$home/llama/$target" ] && [ -x "$follow" ]; then return; fi
  [ -n "$CMAKE" ] || fail "llama.cpp needs cmake; scripts/bootstrap.sh installs it"
  if [ ! -d "$source" ]; then
    rm -rf "$home/llama"
    mkdir -p "$source.partial"
    logged "the source of llama.cpp" pip download --no-deps --no-binary :all: --dest "$home/llama" "$llama_package"
    tar -xzf "$home"/llama/llama_cpp_python-*.tar.gz -C "$source.partial" --strip-components 1
    mv "$source.partial" "$source"
  fi
  logged "llama.cpp, configured" "$CMAKE" -S "$source/vendor/llama.cpp" -B "$build" "-DCMAKE_CXX_COMPILER=${CXX:-c++}" \
    -DCMAKE_BUILD_TYPE=Release -DGGML_NATIVE=ON -DBUILD_SHARED_LIBS=OFF -DLLAMA_BUILD_TESTS=OFF \
    -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_SERVER=OFF -DLLAMA_CURL=OFF
  logged "llama.cpp, compiled (some minutes)" "$CMAKE" --build "$build" --parallel "$(build_jobs)" --target "${llama_targets[@]}"
  logged "llama_follow, compiled" "${CXX:-c++}" -std=c++17 -O2 -fopenmp -I "$source/vendor/llama.cpp/include" \
    -I "$source/vendor/llama.cpp/ggml/include" "$(dirname "${BASH_SOURCE[0]}")/peers/llama_follow.cc" -o "$follow" \
    "$build/src/libllama.a" "$build/ggml/src/libggml.a" "$build/ggml/src/libggml-cpu.a" "$build/ggml/src/libggml-base.a" \
    -pthread -ldl
  for target in "${llama_targets[@]}"; do cp "$build/bin/$target" "$home/llama/"; done
}

find_tools
make_environment
install_torch
install_packages
build_llama
