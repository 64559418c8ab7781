#include "ponder/store/gguf_names.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "ponder/base/cat.h"
#include "ponder/base/error.h"
#include "ponder/store/gguf.h"

namespace ponder::store {
namespace {

constexpr std::string_view kLayer = "model.layers.", kBlock = "blk.", kWeight = ".weight", kBias = ".bias";

struct NamePair {
  std::string_view hf, gguf;
};
constexpr NamePair kOutside[] = {
    {"model.embed_tokens", "token_embd"}, {"model.norm", "output_norm"}, {"lm_head", "output"}};
constexpr NamePair kCommon[] = {{"input_layernorm", "attn_norm"},    {"self_attn.q_proj", "attn_q"},
                                {"self_attn.k_proj", "attn_k"},      {"self_attn.v_proj", "attn_v"},
                                {"self_attn.o_proj", "attn_output"}, {"mlp.gate_proj", "ffn_gate"},
                                {"mlp.up_proj", "ffn_up"},           {"mlp.down_proj", "ffn_down"}};
// Norms whose names mean something else in another family.
constexpr NamePair kOneNormBeforeEach[] = {{"post_attention_layernorm", "ffn_norm"}};
constexpr NamePair kNormsOnBothSides[] = {{"post_attention_layernorm", "post_attention_norm"},
                                          {"pre_feedforward_layernorm", "ffn_norm"},
                                          {"post_feedforward_layernorm", "post_ffw_norm"}};
constexpr NamePair kHeadNorms[] = {{"self_attn.q_norm", "attn_q_norm"}, {"self_attn.k_norm", "attn_k_norm"}};

struct Architecture {
  std::string_view name;
  bool has_head_norms, has_norms_on_both_sides, has_biases, turns_heads, adds_one;
};
constexpr Architecture kArchitectures[] = {
    {"llama", false, false, false, true, false},
    {"qwen2", false, false, true, false, false},
    {"qwen3", true, false, false, false, false},
    {"gemma3", true, true, false, false, true},
};
constexpr NamePair kModelTypes[] = {
    {"llama", "llama"}, {"mistral", "llama"}, {"qwen2", "qwen2"}, {"qwen3", "qwen3"}, {"gemma3_text", "gemma3"}};

const Architecture* find_architecture(std::string_view name) {
  for (const Architecture& architecture : kArchitectures)
    if (architecture.name == name) return &architecture;
  return nullptr;
}

template <size_t kSize>
std::string_view other_name(const NamePair (&pairs)[kSize], std::string_view NamePair::*from,
                            std::string_view NamePair::*to, std::string_view name) {
  for (const NamePair& pair : pairs)
    if (pair.*from == name) return pair.*to;
  return {};
}

// The name of one part of a layer on the other side, "" when the architecture has no such part.
std::string_view part_name(const Architecture& a, std::string_view NamePair::*from, std::string_view NamePair::*to,
                           std::string_view name) {
  std::string_view found = other_name(kCommon, from, to, name);
  if (found.empty())
    found = a.has_norms_on_both_sides ? other_name(kNormsOnBothSides, from, to, name)
                                      : other_name(kOneNormBeforeEach, from, to, name);
  if (found.empty() && a.has_head_norms) found = other_name(kHeadNorms, from, to, name);
  return found;
}

bool is_number(std::string_view text) {
  return !text.empty() && text.size() <= 6 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; }) &&
         (text == "0" || text[0] != '0');
}

std::optional<GgufName> renamed(std::string_view architecture, std::string_view name, bool to_gguf) {
  const Architecture* a = find_architecture(architecture);
  const bool is_bias = name.ends_with(kBias);
  if (!a || (!is_bias && !name.ends_with(kWeight))) return std::nullopt;
  const std::string_view ending = is_bias ? kBias : kWeight;
  name.remove_suffix(ending.size());
  const auto from = to_gguf ? &NamePair::hf : &NamePair::gguf, to = to_gguf ? &NamePair::gguf : &NamePair::hf;
  const std::string_view before = to_gguf ? kLayer : kBlock, after = to_gguf ? kBlock : kLayer;
  if (!name.starts_with(before)) {
    const std::string_view found = other_name(kOutside, from, to, name);
    if (found.empty() || is_bias) return std::nullopt;
    const bool is_norm = found == "output_norm" || found == "model.norm";
    return GgufName{base::cat(found, ending), is_norm && a->adds_one ? GgufChange::kAddOne : GgufChange::kNone};
  }
  name.remove_prefix(before.size());
  const size_t dot = name.find('.');
  if (dot == std::string_view::npos || !is_number(name.substr(0, dot))) return std::nullopt;
  const std::string_view layer = name.substr(0, dot), part = name.substr(dot + 1);
  const std::string_view found = part_name(*a, from, to, part);
  if (found.empty()) return std::nullopt;
  const std::string_view gguf = to_gguf ? found : part;
  if (is_bias && !(a->has_biases && (gguf == "attn_q" || gguf == "attn_k" || gguf == "attn_v"))) return std::nullopt;
  GgufName result{base::cat(after, layer, ".", found, ending), GgufChange::kNone};
  if (a->turns_heads && (gguf == "attn_q" || gguf == "attn_k")) result.change = GgufChange::kTurnHeads;
  if (a->adds_one && gguf.ends_with("norm")) result.change = GgufChange::kAddOne;
  return result;
}

}  // namespace

std::optional<std::string> gguf_architecture(std::string_view model_type) {
  const std::string_view found = other_name(kModelTypes, &NamePair::hf, &NamePair::gguf, model_type);
  return found.empty() ? std::nullopt : std::optional<std::string>(found);
}

int64_t gguf_head_dim(const GgufMetadata& metadata) {
  const std::string prefix = base::cat(metadata.string_at("general.architecture"), ".");
  const int64_t heads = metadata.int_at(prefix + "attention.head_count");
  if (heads < 1) throw Error(ErrorCode::kInput, "attention.head_count must be at least 1", metadata.where());
  return metadata.int_or(prefix + "attention.key_length", metadata.int_at(prefix + "embedding_length") / heads);
}

std::optional<GgufName> gguf_name(std::string_view architecture, std::string_view hf_name) {
  return renamed(architecture, hf_name, true);
}

std::optional<GgufName> hf_name(std::string_view architecture, std::string_view gguf_name) {
  return renamed(architecture, gguf_name, false);
}

int64_t turned_row(int64_t row, int64_t head_dim) {
  const int64_t head = row / head_dim, d = row % head_dim, half = head_dim / 2;
  return head * head_dim + d % 2 * half + d / 2;
}

int64_t unturned_row(int64_t row, int64_t head_dim) {
  const int64_t head = row / head_dim, d = row % head_dim, half = head_dim / 2;
  return head * head_dim + d % half * 2 + d / half;
}

}  // namespace ponder::store
