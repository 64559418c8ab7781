// How the tensors of a Hugging Face model are called in GGUF files and what is done to them on the way: llama.cpp's
// conventions for the families that ponder knows. Used by the command convert and by whoever reads a GGUF model.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ponder::store {

class GgufMetadata;

// Every change can be taken back: unturned_row undoes turned_row, subtracting undoes adding.
enum class GgufChange {
  kNone,
  kTurnHeads,  // rows of each query or key head: the two halves of its rotary pairs lie side by side
  kAddOne,     // Gemma's norms are stored around 0 there, around 1 here
};

struct GgufName {
  std::string name;
  GgufChange change = GgufChange::kNone;  // from Hugging Face to GGUF
};

// What each rotary pair's angle is divided by, in the architecture llama alone: how llama.cpp keeps Llama 3.1's rope.
inline constexpr const char* kGgufRopeDivisors = "rope_freqs.weight";

// general.architecture for a model_type of config.json: "llama" for llama and mistral, "gemma3" for gemma3_text, …
// Nothing for a family that is not known.
std::optional<std::string> gguf_architecture(std::string_view model_type);

// Columns of a query or key head: attention.key_length, else embedding_length / attention.head_count. Error(kInput) for
// a key that is missing or no count.
int64_t gguf_head_dim(const GgufMetadata& metadata);

// "model.layers.3.self_attn.q_proj.weight" -> "blk.3.attn_q.weight", and back. Nothing for a tensor that the
// architecture does not have.
std::optional<GgufName> gguf_name(std::string_view architecture, std::string_view hf_name);
std::optional<GgufName> hf_name(std::string_view architecture, std::string_view gguf_name);

// kTurnHeads: row `row` of the GGUF tensor is row turned_row(row) of the Hugging Face tensor, and the other way round.
int64_t turned_row(int64_t row, int64_t head_dim);
int64_t unturned_row(int64_t row, int64_t head_dim);

}  // namespace ponder::store
