#include "ponder/tensor/simd.h"

#include <algorithm>
#include <atomic>

#include "ponder/tensor/gemm_amx.h"

namespace ponder::tensor::simd {
namespace {

int detect() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("x86-64-v4")) {
    if (!__builtin_cpu_supports("avx512bf16")) return 4;
    return gemm_tile::has_tiles() ? 6 : 5;
  }
  if (__builtin_cpu_supports("x86-64-v3")) return 3;
#endif
  return 1;
}

bool detect_vnni() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx512vnni");
#else
  return false;
#endif
}

const bool g_vnni = detect_vnni();
std::atomic<int> g_level{detect()};

}  // namespace

int level() { return g_level.load(std::memory_order_relaxed); }
bool has_vnni() { return g_vnni && level() >= 4; }
void limit_level(int highest) { g_level = std::min(detect(), highest); }

}  // namespace ponder::tensor::simd
