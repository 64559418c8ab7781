#include "ponder/engine/kv_memory.h"

#include <algorithm>

#include "ponder/base/error.h"
#include "ponder/engine/kv_cache.h"

namespace ponder::engine {
namespace {

constexpr int64_t kFewestPages = 3;  // two of a sequence, and one to copy from

int64_t pages_of(const model::DecoderConfig& config, int64_t tokens) {
  return KvCache::pages_for(std::min(tokens, config.context)) + 1;
}

}  // namespace

int64_t kv_page_bytes(const model::DecoderConfig& config, const EngineOptions& options) {
  return config.layers * tensor::page_bytes(config.head_shape());
}

int64_t kv_bytes_for(const model::DecoderConfig& config, const EngineOptions& options, int64_t tokens) {
  const int64_t pages = std::max(pages_of(config, tokens), std::min(pages_of(config, config.context), kFewestPages));
  return pages * kv_page_bytes(config, options);
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
  const int64_t bytes = options.kv_bytes > 0 ? options.kv_bytes : options.kv_mib << 20;
  const int64_t least = kv_bytes_for(config, options, 1);
  if (bytes < least)
    throw Error(ErrorCode::kUsage,
                base::cat("a cache of ", bytes >> 10, " KiB has no room for keys and values; kv_mib must be at least ",
                          (least >> 20) + 1),
                "engine");
  return std::min(bytes / kv_page_bytes(config, options), options.max_rows * one);
}

}  // namespace ponder::engine
