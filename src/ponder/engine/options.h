// The knobs of decoding, for LocalPolicy and LocalCritic. None of them changes a result, only speed and memory, but for
// kv_dtype where it says what the trainer does not compute with; for memory that does not hold a sequence, which ends
// there; and for draft_tokens beside a draft model, whose guesses keep the distribution that is sampled from, not the
// sample. (Guesses of a lookup keep every bit.)
#pragma once
#include <cstdint>
#include <string>

#include "ponder/base/fields.h"
#include "ponder/tensor/team.h"

namespace ponder::engine {

struct EngineOptions {
  int64_t max_rows = 64;              // sequences worked on together; more outgrow the caches of a processor
  int64_t max_forward_tokens = 1024;  // rows of one forward pass: one a decoding sequence, the rest prefill
  int64_t kv_pages = 0;               // pages of 16 positions; 0 = room for max_rows whole contexts, within kv_mib
  int64_t kv_mib = 1024;
  // No knobs, for callers who share a limit out: kv_bytes stands in place of kv_mib where it is set; kv_roomy: all of
  // it may be used, also where max_rows contexts need less.
  int64_t kv_bytes = 0;
  bool kv_roomy = false;
  std::string kv_dtype = "auto";
  bool share_prefixes = true;
  std::string speculate = "off";
  int64_t draft_tokens = 4;
  // How workers share sequences out: each has an engine of its own; or all compute one engine's passes together,
  // product by product, so that a large model's weights are read once for all sequences.
  std::string share = "auto";

  void fields(base::Fields& f) {
    f.field("max_rows", max_rows, {.min = 1, .unit = "sequences", .help = "sequences that are decoded together"});
    f.field("max_forward_tokens", max_forward_tokens,
            {.min = 1, .unit = "tokens", .help = "most tokens of one forward pass; prompts are cut to fit"});
    f.field("kv_pages", kv_pages,
            {.min = 0, .unit = "pages", .help = "cache pages of 16 positions; 0 = as many as max_rows contexts need"});
    f.field("kv_mib", kv_mib,
            {.min = 1, .unit = "MiB", .help = "most memory of the cache of one worker, when kv_pages = 0"});
    f.field("kv_dtype", kv_dtype,
            {.help = "how the cache keeps keys and values; auto: as the model computes, f32 or (model.compute=bf16) "
                     "bf16. int8 takes half of bf16 or a quarter of f32, with a scale for each head and position; "
                     "results change a little, and log-probs are no longer the trainer's to the bit",
             .choices = {"auto", "f32", "bf16", "int8"}});
    f.field("share_prefixes", share_prefixes, {.help = "keep and share the cache of common prefixes"});
    f.field("speculate", speculate,
            {.help = "guess several tokens, read them in one pass and keep those that are right; lookup: what followed "
                     "where the last tokens stood before. The same bits, sooner where text repeats itself",
             .choices = {"off", "lookup"}});
    f.field("draft_tokens", draft_tokens,
            {.min = 1, .max = 64, .unit = "tokens", .help = "most guesses of one round, where there are guesses"});
    f.field(
        "share", share,
        {.help = "what workers share out: sequences, or products of one engine; auto: products from 64 Mi weights on",
         .choices = {"auto", "sequences", "products"}});
  }
};

// Engines, and threads of each, that make `workers` threads in all.
struct Crew {
  int engines = 1, threads = 1;
};
inline Crew crew_of(const EngineOptions& options, int64_t parameters, int workers) {
  const bool together =
      options.share == "products" || (options.share == "auto" && parameters >= tensor::kSharedWeights);
  return together ? Crew{1, workers} : Crew{workers, 1};
}

}  // namespace ponder::engine
