// How much memory keys and values take, known before an engine is made. Used by Batcher, and by callers who share a
// limit out among engines.
#pragma once
#include <cstdint>

#include "ponder/engine/options.h"
#include "ponder/model/config.h"

namespace ponder::engine {

// How keys and values are kept; Error(kUsage) for a name that does not exist.
tensor::KvType kv_type(const model::DecoderConfig& config, const EngineOptions& options);

// A page of 16 positions, in all layers.
int64_t kv_page_bytes(const model::DecoderConfig& config, const EngineOptions& options);

// What a cache may take in all, where kv_pages does not say it.
int64_t kv_bytes(const EngineOptions& options);

// The smallest cache in which a sequence of so many tokens (of a whole context where that is shorter) comes to its end.
int64_t kv_bytes_for(const model::DecoderConfig& config, const EngineOptions& options, int64_t tokens);

// How many pages the options give a cache: all that fit where kv_roomy says so (trees that are larger
// than max_rows contexts find their prefixes again then); otherwise room for max_rows contexts at most. One whole
// context should fit, and one page more to copy from; but a published model's context is often longer than anybody asks
// for, so it is cut to what the memory holds rather than to refuse the model. Error(kUsage) when there is room for
// nothing.
int64_t kv_pages(const model::DecoderConfig& config, const EngineOptions& options);

}  // namespace ponder::engine
