// Which tokens end what a GGUF model writes: those that the metadata names, and those that llama.cpp knows by their
// text, because most files name one and instruct models stop at another. Used by whoever reads a model, and by
// gguf_tokenizer.
#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

#include "ponder/store/gguf.h"

namespace ponder::store {

// Texts of llama.cpp's end-of-generation list (llama-vocab.cpp) that no markup has: "</s>" is text in Gemma's
// vocabulary.
inline constexpr std::string_view kTurnEnds[] = {"<|eot_id|>", "<|im_end|>",         "<end_of_turn>", "<|end|>",
                                                 "<|return|>", "<|call|>",           "<EOT>",         "_<EOT>",
                                                 "[EOT]",      "<end_of_utterance>", "<turn|>"};
inline constexpr std::string_view kOtherEnds[] = {"<|endoftext|>", "<|end_of_text|>", "<|eom_id|>", "<|flush|>",
                                                  "<|calls|>"};
bool ends_turn(std::string_view token);
bool ends_text(std::string_view token);  // one of either list

// eos, eot and eom by their keys, then the control and user-defined tokens below `vocab` with such a text, in the order
// of ids; each once. Error(kInput) for a key or list of another type.
std::vector<int64_t> gguf_end_tokens(const GgufMetadata& metadata, int64_t vocab);

}  // namespace ponder::store
