// The knobs of decoding, for LocalPolicy and LocalCritic. None of them changes a result, only speed and memory.
#pragma once
#include <cstdint>

#include "ponder/base/fields.h"

namespace ponder::engine {

struct EngineOptions {
  int64_t max_rows = 64;              // sequences worked on together; more outgrow the caches of a processor
  int64_t max_forward_tokens = 1024;  // rows of one forward pass: one a decoding sequence, the rest prefill
  int64_t kv_pages = 0;               // pages of 16 positions; 0 = room for max_rows whole contexts, within kv_mib
  int64_t kv_mib = 1024;
  bool share_prefixes = true;

  void fields(base::Fields& f) {
    f.field("max_rows", max_rows, {.min = 1, .unit = "sequences", .help = "sequences that are decoded together"});
    f.field("max_forward_tokens", max_forward_tokens,
            {.min = 1, .unit = "tokens", .help = "most tokens of one forward pass; prompts are cut to fit"});
    f.field("kv_pages", kv_pages,
            {.min = 0, .unit = "pages", .help = "cache pages of 16 positions; 0 = as many as max_rows contexts need"});
    f.field("kv_mib", kv_mib,
            {.min = 1, .unit = "MiB", .help = "most memory of the cache of one worker, when kv_pages = 0"});
    f.field("share_prefixes", share_prefixes, {.help = "keep and share the cache of common prefixes"});
  }
};

}  // namespace ponder::engine
