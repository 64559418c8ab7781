#include "ponder/model/gguf.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <optional>

#include "ponder/base/error.h"
#include "ponder/model/families.h"
#include "ponder/model/source.h"
#include "ponder/store/gguf.h"
#include "ponder/tensor/guard.h"

namespace ponder::model {
namespace {

using store::GgufFile;
using store::GgufMetadata;
using store::GgufTensor;

constexpr const char* kRopeFactors = "rope_freqs.weight";

[[noreturn]] void fail(const GgufFile& file, const std::string& message) {
  throw Error(ErrorCode::kInput, message, file.path());
}

const Family& family_of(const GgufFile& file) {
  const GgufMetadata& metadata = file.metadata();
  std::string name(metadata.string_at("general.architecture")), known;
  // Mistral's files call themselves llama.
  if (name == "llama" && metadata.has("llama.attention.sliding_window")) return find_family("mistral");
  for (const Family& family : all_families()) {
    if (name == family.gguf) return family;
    if (*family.gguf) known += base::cat(known.empty() ? "" : ", ", family.gguf);
  }
  fail(file, base::cat("general.architecture is ", name, "; this decoder computes ", known));
}

// What the architecture's keys may say; everything else under its name would change the result unnoticed.
constexpr const char* kKnownKeys[] = {"context_length",
                                      "embedding_length",
                                      "block_count",
                                      "feed_forward_length",
                                      "vocab_size",
                                      "attention.head_count",
                                      "attention.head_count_kv",
                                      "attention.key_length",
                                      "attention.value_length",
                                      "attention.layer_norm_rms_epsilon",
                                      "attention.sliding_window",
                                      "attention.causal",
                                      "rope.dimension_count",
                                      "rope.freq_base",
                                      "rope.freq_base_swa",
                                      "rope.scaling.type",
                                      "rope.scaling.factor",
                                      "rope.scaling.attn_factor",
                                      "rope.scaling.original_context_length",
                                      "rope.scaling.finetuned"};

void check_keys(const GgufFile& file, const Family& family, const std::string& prefix) {
  for (const auto& [key, value] : file.metadata().entries()) {
    if (!key.starts_with(prefix)) continue;
    const std::string_view name = key.substr(prefix.size());
    if (name == "attention.sliding_window" && !family.read_gguf)
      fail(file, base::cat(key, " is there; this decoder computes a ", family.name, " of GGUF without windows"));
    if (std::find(std::begin(kKnownKeys), std::end(kKnownKeys), name) == std::end(kKnownKeys))
      fail(file, base::cat(key, " is not a key that this decoder knows"));
  }
}

// How Llama 3.1 slows each pair, as a table of divisors: which config.json has the same?
base::Json llama3_scaling(const GgufFile& file, const GgufTensor& tensor, double theta) {
  const std::vector<float> divisors = file.read(tensor);
  const double factor = *std::max_element(divisors.begin(), divisors.end()), context = 8192, low = 1, high = 4;
  for (size_t i = 0; i < divisors.size(); ++i) {
    const double exponent = static_cast<double>(i) / static_cast<double>(divisors.size());
    const double wave = 2 * M_PI * std::pow(theta, exponent);
    const double smooth = std::clamp((context / wave - low) / (high - low), 0.0, 1.0);
    if (std::abs(divisors[i] * ((1 - smooth) / factor + smooth) - 1) > 1e-3)
      fail(file, base::cat(kRopeFactors, " are not those of Llama 3.1, which are all that this decoder knows"));
  }
  return base::Json::Object{{"rope_type", "llama3"},
                            {"factor", factor},
                            {"low_freq_factor", low},
                            {"high_freq_factor", high},
                            {"original_max_position_embeddings", static_cast<int64_t>(context)}};
}

base::Json rope_scaling(const GgufFile& file, const std::string& prefix, double theta) {
  const GgufMetadata& metadata = file.metadata();
  if (const GgufTensor* factors = file.find(kRopeFactors)) return llama3_scaling(file, *factors, theta);
  const std::string type(metadata.string_or(prefix + "rope.scaling.type", "none"));
  if (type == "none") return nullptr;
  base::Json json;
  json["rope_type"] = type;  // from_hf_json refuses what it does not know
  json["factor"] = metadata.double_at(prefix + "rope.scaling.factor");
  if (metadata.has(prefix + "rope.scaling.original_context_length"))
    json["original_max_position_embeddings"] = metadata.int_at(prefix + "rope.scaling.original_context_length");
  if (metadata.has(prefix + "rope.scaling.attn_factor") && metadata.double_at(prefix + "rope.scaling.attn_factor") != 1)
    fail(file, "rope.scaling.attn_factor is not 1; this decoder computes yarn with the factor of its paper");
  return json;
}

base::Json token_ids(const GgufMetadata& metadata, std::initializer_list<const char*> keys) {
  base::Json ids = base::Json::array();
  for (const char* key : keys)
    if (metadata.has(key)) {
      const base::Json id = metadata.int_at(key);
      const auto& list = ids.as_array();
      if (std::find(list.begin(), list.end(), id) == list.end()) ids.push_back(id);
    }
  return ids;
}

// ---- tensors ----
std::optional<std::string> layer_name(std::string_view name, const Family& family) {
  const std::pair<std::string_view, std::string> kNames[] = {{"attn_norm", family.norms->attention},
                                                             {"attn_q", "self_attn.q_proj"},
                                                             {"attn_k", "self_attn.k_proj"},
                                                             {"attn_v", "self_attn.v_proj"},
                                                             {"attn_output", "self_attn.o_proj"},
                                                             {"attn_q_norm", "self_attn.q_norm"},
                                                             {"attn_k_norm", "self_attn.k_norm"},
                                                             {"post_attention_norm", family.norms->attention_output},
                                                             {"ffn_norm", family.norms->ffn},
                                                             {"ffn_gate", "mlp.gate_proj"},
                                                             {"ffn_up", "mlp.up_proj"},
                                                             {"ffn_down", "mlp.down_proj"},
                                                             {"post_ffw_norm", family.norms->ffn_output}};
  for (const auto& [gguf, hf] : kNames)
    if (name == gguf && !hf.empty()) return hf;
  return std::nullopt;
}

// The Hugging Face name; Error(kInput) for a tensor that no family has.
std::string hf_name(const GgufFile& file, const std::string& name, const Family& family) {
  if (name == "token_embd.weight") return "model.embed_tokens.weight";
  if (name == "output_norm.weight") return "model.norm.weight";
  if (name == "output.weight") return "lm_head.weight";
  const size_t dot = name.find('.', 4), last = name.rfind('.');
  if (name.starts_with("blk.") && dot != std::string::npos && last > dot)
    if (const auto layer = layer_name(std::string_view(name).substr(dot + 1, last - dot - 1), family))
      return base::cat("model.layers.", name.substr(4, dot - 4), ".", *layer, name.substr(last));
  fail(file, base::cat("holds ", name, ", which a ", family.name, " has not"));
}

// llama.cpp turns neighbouring rows of a llama's query and key heads against each other, Hugging Face the two halves of
// a head. Row `row` as Hugging Face counts, as GGUF does:
int64_t interleaved_row(int64_t row, int64_t head_dim) {
  const int64_t head = row / head_dim, d = row % head_dim, half = head_dim / 2;
  return head * head_dim + d % half * 2 + d / half;
}

// Weights [first, first + n) as they lie in the file.
void copy_finite_bf16(const GgufFile& file, const GgufTensor& tensor, int64_t first, int64_t n, void* out) {
  std::memcpy(out, file.bytes(tensor).data() + 2 * first, static_cast<size_t>(2 * n));
  const auto* halves = static_cast<const uint16_t*>(out);
  bool finite = true;
  for (int64_t i = 0; i < n; ++i) finite &= (halves[i] & 0x7F80) != 0x7F80;
  if (finite) return;
  std::vector<float> floats(static_cast<size_t>(n));
  file.read(tensor, first, n, floats.data());  // says which one is not
}

// Bits of a type whose blocks are a scale and integers around 0; 0 for other types.
int block_bits(store::GgmlType type) {
  return type == store::GgmlType::kQ4_0   ? 4
         : type == store::GgmlType::kQ5_0 ? 5
         : type == store::GgmlType::kQ8_0 ? 8
                                          : 0;
}

// A file's own blocks of such a type: the same numbers. Null for other types.
tensor::ReadBlocks block_reader(const std::shared_ptr<const GgufFile>& file, const GgufTensor& tensor,
                                const std::function<int64_t(int64_t)>& turn) {
  const int bits = block_bits(tensor.type->type);
  if (bits == 0 || tensor.shape.empty()) return nullptr;
  const int64_t columns = tensor.shape.back(), blocks = columns / 32, block_bytes = tensor.type->block_bytes;
  return [=, &tensor](int64_t row, int8_t* values, uint16_t* scales) {
    const int64_t from = turn(row);
    const char* block = file->bytes(tensor).data() + from * blocks * block_bytes;
    for (int64_t b = 0; b < blocks; ++b, block += block_bytes, values += 32) {
      std::memcpy(scales + b, block, 2);
      if ((scales[b] & 0x7C00) == 0x7C00) {  // not a number, or infinite
        std::vector<float> floats(static_cast<size_t>(columns));
        file->read(tensor, from * columns, columns, floats.data());  // says so, and where
      }
      if (bits == 8) {
        std::memcpy(values, block + 2, 32);
        continue;
      }
      uint32_t fifth = 0;  // bits, of all 32
      if (bits == 5) std::memcpy(&fifth, block + 2, 4);
      const int zero = 1 << (bits - 1);
      for (int i = 0; i < 16; ++i) {
        const auto pair = static_cast<uint8_t>(block[block_bytes - 16 + i]);
        values[i] = static_cast<int8_t>(static_cast<int>((pair & 15) | (fifth >> i & 1) << 4) - zero);
        values[16 + i] = static_cast<int8_t>(static_cast<int>((pair >> 4) | (fifth >> (16 + i) & 1) << 4) - zero);
      }
    }
  };
}

Source open_tensors(const std::shared_ptr<const GgufFile>& file, const DecoderConfig& config, const Family& family) {
  Source source;
  for (const GgufTensor& tensor : file->tensors()) {
    if (tensor.name == kRopeFactors) continue;
    const std::string name = hf_name(*file, tensor.name, family);
    SourceTensor t;
    t.shape = tensor.shape;
    t.where = file->path();
    t.forget = [file, &tensor] { file->forget(tensor); };
    const int64_t columns = t.columns(), head_dim = config.head_dim;
    const bool turned = family.gguf_interleaved && (name.ends_with("q_proj.weight") || name.ends_with("k_proj.weight"));
    const auto offset = static_cast<float>(name.ends_with("norm.weight") ? config.norm_offset : 0);
    const auto turn = [=](int64_t row) { return turned ? interleaved_row(row, head_dim) : row; };
    if (tensor.type->type == store::GgmlType::kBf16 && offset == 0) {  // kept as they are
      t.type = tensor::RowType::kBf16;
      t.read = [=, &tensor](int64_t row, void* out) {
        copy_finite_bf16(*file, tensor, turn(row) * columns, columns, out);
      };
      source[name] = std::move(t);
      continue;
    }
    if (offset == 0) t.read_blocks = block_reader(file, tensor, turn), t.block_bits = block_bits(tensor.type->type);
    t.read = [=, &tensor](int64_t row, void* out) {
      auto* values = static_cast<float*>(out);
      file->read(tensor, turn(row) * columns, columns, values);
      if (offset != 0)
        for (int64_t i = 0; i < columns; ++i) values[i] -= offset;
    };
    source[name] = std::move(t);
  }
  return source;
}

}  // namespace

base::Json gguf_config_json(const GgufFile& file) {
  const GgufMetadata& metadata = file.metadata();
  const Family& family = family_of(file);
  const std::string prefix = std::string(metadata.string_at("general.architecture")) + ".";
  check_keys(file, family, prefix);
  const auto integer = [&](const char* key) { return metadata.int_at(prefix + key); };
  base::Json json;
  json["model_type"] = family.name;
  const GgufTensor& embedding = file.at("token_embd.weight");
  if (embedding.shape.size() != 2) fail(file, "token_embd.weight must have two dimensions");
  json["vocab_size"] = embedding.shape[0];
  json["hidden_size"] = integer("embedding_length");
  json["num_hidden_layers"] = integer("block_count");
  json["intermediate_size"] = integer("feed_forward_length");
  const int64_t heads = integer("attention.head_count");
  json["num_attention_heads"] = heads;
  json["num_key_value_heads"] = metadata.int_or(prefix + "attention.head_count_kv", heads);
  json["max_position_embeddings"] = integer("context_length");
  json["rms_norm_eps"] = metadata.double_at(prefix + "attention.layer_norm_rms_epsilon");
  const double theta = metadata.double_or(prefix + "rope.freq_base", 10000);
  json["rope_theta"] = theta;
  if (heads < 1) fail(file, "attention.head_count must be at least 1");
  const int64_t head_dim = metadata.int_or(prefix + "attention.key_length", integer("embedding_length") / heads);
  json["head_dim"] = head_dim;
  for (const char* key : {"attention.value_length", "rope.dimension_count"})
    if (metadata.int_or(prefix + key, head_dim) != head_dim)
      fail(file,
           base::cat(prefix, key, " is not the length of a key, ", head_dim, "; this decoder computes nothing else"));
  json["rope_scaling"] = rope_scaling(file, prefix, theta);
  json["tie_word_embeddings"] = file.find("output.weight") == nullptr;
  json["bos_token_id"] = metadata.has("tokenizer.ggml.bos_token_id")
                             ? base::Json(metadata.int_at("tokenizer.ggml.bos_token_id"))
                             : base::Json();
  json["eos_token_id"] = token_ids(metadata, {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id"});
  if (family.read_gguf) family.read_gguf(metadata, prefix, json);
  return json;
}

LoadedModel load_gguf(const std::string& path, const LoadOptions& options) {
  const auto file = std::make_shared<const GgufFile>(path);
  LoadedModel model;
  DecoderConfig config = from_hf_json(gguf_config_json(*file), path);
  if (!options.compute.empty()) config.compute = options.compute;
  config.resolve();
  model.parameters.config = config;
  tensor::guarded("model", [&] {
    Source source = open_tensors(file, config, family_of(*file));
    check_source(config, path, source);
    hold_source(source, options, model.parameters);
  });
  return model;
}

}  // namespace ponder::model
