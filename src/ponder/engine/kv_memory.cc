#include "ponder/engine/kv_memory.h"

#include <algorithm>

#include "ponder/base/error.h"
#include "ponder/engine/kv_cache.h"

namespace ponder::engine {
namespace {

constexpr int64_t kFewestPages = 3;      // two of a sequence, and one to copy from
constexpr int64_t kMostPages = 1 << 20;  // 16 Mi tokens; each has an entry in the cache's books, used or not

int64_t pages_of(const model::DecoderConfig& config, int64_t tokens) {
  return KvCache::pages_for(std::min(tokens, config.context)) + 1;
}

}  // namespace

tensor::KvType kv_type(const model::DecoderConfig& config, const EngineOptions& options) {
  if (options.kv_dtype == "auto") return config.head_shape().kv;
  if (options.kv_dtype == "f32") return tensor::KvType::kF32;
  if (options.kv_dtype == "bf16") return tensor::KvType::kBf16;
  if (options.kv_dtype == "int8") return tensor::KvType::kInt8;
  throw Error(ErrorCode::kUsage, base::cat("kv_dtype = \"", options.kv_dtype, "\"; it must be auto, f32, bf16 or int8"),
              "engine");
}

int64_t kv_page_bytes(const model::DecoderConfig& config, const EngineOptions& options) {
  tensor::HeadShape shape = config.head_shape();
  shape.kv = kv_type(config, options);
  return config.layers * tensor::page_bytes(shape);
}

int64_t kv_bytes_for(const model::DecoderConfig& config, const EngineOptions& options, int64_t tokens) {
  const int64_t pages = std::max(pages_of(config, tokens), std::min(pages_of(config, config.context), kFewestPages));
  return pages * kv_page_bytes(config, options);
}

int64_t kv_bytes(const EngineOptions& options) {
  return options.kv_bytes > 0 ? options.kv_bytes : options.kv_mib << 20;
}

int64_t kv_pages(const model::DecoderConfig& config, const EngineOptions& options) {
  const int64_t one = pages_of(config, config.context);
  if (options.kv_pages > 0) {
    if (options.kv_pages < one)
      throw Error(ErrorCode::kUsage,
                  base::cat("kv_pages = ", options.kv_pages, " does not hold one context of ", config.context,
                            " tokens; it must be at least ", one),
                  "engine");
    return options.kv_pages;
  }
  const int64_t bytes = kv_bytes(options);
  const int64_t least = kv_bytes_for(config, options, 1);
  if (bytes < least)
    throw Error(ErrorCode::kUsage,
                base::cat("a cache of ", bytes >> 10,
                          " KiB has no room for keys and values; engine.kv_mib (or --kv-memory) must be at least ",
                          (least >> 20) + 1),
                "engine");
  const int64_t usual = options.max_rows * one;
  const int64_t most = options.kv_roomy ? std::max(usual, kMostPages) : usual;
  return std::min(bytes / kv_page_bytes(config, options), most);
}

}  // namespace ponder::engine
