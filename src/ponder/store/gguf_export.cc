#include "ponder/store/gguf_export.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <optional>
#include <unordered_map>
#include <utility>

#include "ponder/base/error.h"
#include "ponder/base/json.h"
#include "ponder/store/gguf_names.h"
#include "ponder/store/gguf_tokenizer.h"
#include "ponder/store/gguf_write.h"
#include "ponder/store/shards.h"

namespace ponder::store {
namespace {

using base::Json;

constexpr int64_t kWeightsAtOnce = 1 << 20;
constexpr int64_t kMaxHeadDim = 1 << 16;
constexpr const char* kRopeFactors = "rope_freqs.weight";

Json read_json(const std::string& directory, const char* name, bool is_needed) {
  const std::string path = base::join_path(directory, name);
  if (!is_needed && !base::file_exists(path)) return {};
  return Json::parse(base::read_file(path), path);
}

// config.json, with messages that name it.
class Config {
 public:
  Config(Json json, std::string where) : json_(std::move(json)), where_(std::move(where)) {}
  int64_t count(const char* key) const {
    const Json* value = find(key);
    if (!value) fail(base::cat("lacks \"", key, "\""));
    if (!value->is_int() || value->as_int() < 1 || value->as_int() > INT32_MAX)
      fail(base::cat("\"", key, "\" must be a count, found ", value->dump()));
    return value->as_int();
  }
  int64_t count_or(const char* key, int64_t fallback) const { return find(key) ? count(key) : fallback; }
  double number_or(const Json& in, const char* key, double fallback) const {
    const Json* value = in.find(key);
    if (!value || value->is_null()) return fallback;
    if (!value->is_number()) fail(base::cat("\"", key, "\" must be a number, found ", value->dump()));
    return value->as_double();
  }
  std::string text_or(const Json& in, const char* key, const std::string& fallback) const {
    const Json* value = in.find(key);
    return value && value->is_string() ? value->as_string() : fallback;
  }
  const Json* find(const char* key) const {  // null in the file counts as absent
    const Json* value = json_.find(key);
    return value && !value->is_null() ? value : nullptr;
  }
  const Json& json() const { return json_; }
  [[noreturn]] void fail(const std::string& message) const { throw Error(ErrorCode::kInput, message, where_); }

 private:
  Json json_;
  std::string where_;
};

// What is written in the place of one tensor: rows of f32 on demand.
struct Rows {
  GgufTensor to;
  std::function<void(int64_t row, float* out)> read;
};

class Exporter {
 public:
  Exporter(const std::string& directory, GgmlType type)
      : directory_(directory),
        config_(read_json(directory, "config.json", true), base::join_path(directory, "config.json")),
        weights_(directory),
        type_(type) {}

  void write(const std::string& path) {
    const std::string model_type = config_.text_or(config_.json(), "model_type", "");
    const auto architecture = gguf_architecture(model_type);
    if (!architecture)
      config_.fail(base::cat("model_type is \"", model_type,
                             "\"; llama, mistral, qwen2, qwen3 and gemma3_text can be written as GGUF"));
    architecture_ = *architecture;
    add_general();
    add_sizes();
    add_rope();
    add_tokens();
    for (const ShardTensor& tensor : weights_.tensors()) add_tensor(tensor);
    write_file(path);
  }

 private:
  std::string key(const char* name) const { return base::cat(architecture_, ".", name); }

  void add_general() {
    constexpr std::pair<GgmlType, int64_t> kFileTypes[] = {
        {GgmlType::kF32, 0}, {GgmlType::kF16, 1}, {GgmlType::kQ8_0, 7}, {GgmlType::kBf16, 32}};  // llama.cpp's numbers
    pairs_.add_string("general.architecture", architecture_);
    pairs_.add_string("general.type", "model");
    pairs_.add_string("general.name", base::file_name(directory_));
    for (const auto& [type, number] : kFileTypes)
      if (type == type_) pairs_.add_u32("general.file_type", number);
    pairs_.add_u32("general.quantization_version", 2);
  }

  void add_sizes() {
    vocab_ = config_.count("vocab_size");
    const int64_t width = config_.count("hidden_size"), heads = config_.count("num_attention_heads");
    const int64_t kv_heads = config_.count_or("num_key_value_heads", heads);
    head_dim_ = config_.count_or("head_dim", architecture_ == "gemma3" ? 256 : width / heads);
    if (head_dim_ < 2 || head_dim_ % 2 != 0 || head_dim_ > kMaxHeadDim)
      config_.fail(base::cat("head_dim is ", head_dim_, "; it must be even and at most ", kMaxHeadDim));
    const ShardTensor& embedding =
        weights_.at("model.embed_tokens.weight");  // bounds the vocabulary by the file's size
    if (embedding.entry->shape.size() != 2 || embedding.entry->shape[0] != vocab_)
      config_.fail(base::cat("vocab_size is ", vocab_, ", but model.embed_tokens.weight has the shape ",
                             Json::list(embedding.entry->shape).dump()));
    pairs_.add_u32(key("vocab_size"), vocab_);
    pairs_.add_u32(key("context_length"), config_.count("max_position_embeddings"));
    pairs_.add_u32(key("embedding_length"), width);
    pairs_.add_u32(key("block_count"), config_.count("num_hidden_layers"));
    pairs_.add_u32(key("feed_forward_length"), config_.count("intermediate_size"));
    pairs_.add_u32(key("attention.head_count"), heads);
    pairs_.add_u32(key("attention.head_count_kv"), kv_heads);
    pairs_.add_u32(key("attention.key_length"), head_dim_);
    pairs_.add_u32(key("attention.value_length"), head_dim_);
    pairs_.add_f32(key("attention.layer_norm_rms_epsilon"), config_.number_or(config_.json(), "rms_norm_eps", 1e-6));
    const Json* use = config_.find("use_sliding_window");
    const bool slides = architecture_ == "gemma3" || !(use && use->is_bool() && !use->as_bool());
    if (slides && config_.find("sliding_window")) {
      if (architecture_.starts_with("qwen"))
        config_.fail("use_sliding_window has no place in a GGUF file of this family");
      pairs_.add_u32(key("attention.sliding_window"), config_.count("sliding_window"));
    }
    if (architecture_ == "llama") pairs_.add_u32(key("rope.dimension_count"), head_dim_);
    const Json* tied = config_.find("tie_word_embeddings");
    is_tied_ = tied && tied->is_bool() ? tied->as_bool() : architecture_ == "gemma3";
  }

  // Older files have rope_theta and rope_scaling, newer ones both in rope_parameters, Gemma one of these a kind of
  // layer.
  void add_rope() {
    Json rope = Json::object(), local = Json::object();
    if (const Json* both = config_.find("rope_parameters")) {
      const Json* full = both->find("full_attention");
      rope = full ? *full : *both;
      if (const Json* sliding = both->find("sliding_attention")) local = *sliding;
    } else if (const Json* scaling = config_.find("rope_scaling")) {
      rope = *scaling;
    }
    const double usual = architecture_ == "gemma3" ? 1e6 : 1e4;
    const double theta = config_.number_or(rope, "rope_theta", config_.number_or(config_.json(), "rope_theta", usual));
    pairs_.add_f32(key("rope.freq_base"), theta);
    const double local_base = config_.number_or(config_.json(), "rope_local_base_freq", 1e4);
    const double local_theta = config_.number_or(local, "rope_theta", local_base);
    if (architecture_ == "gemma3" && local_theta != 1e4) pairs_.add_f32(key("rope.freq_base_swa"), local_theta);
    const std::string type = config_.text_or(rope, "rope_type", config_.text_or(rope, "type", "default"));
    if (type == "default") return;
    const double factor = config_.number_or(rope, "factor", 0);
    if (!(factor >= 1)) config_.fail(base::cat("the factor of the rope scaling \"", type, "\" must be at least 1"));
    const auto original = static_cast<int64_t>(config_.number_or(rope, "original_max_position_embeddings", 0));
    if (type == "llama3") return add_rope_factors(rope, theta, factor, static_cast<double>(original));
    if (type != "linear" && type != "yarn")
      config_.fail(
          base::cat("the rope scaling \"", type, "\" has no place in a GGUF file; linear, yarn and llama3 have"));
    pairs_.add_string(key("rope.scaling.type"), type);
    pairs_.add_f32(key("rope.scaling.factor"), factor);
    if (type == "yarn" && original > 0) pairs_.add_u32(key("rope.scaling.original_context_length"), original);
  }

  // Llama 3.1's scaling is a table of divisors in GGUF, one a rotary pair.
  void add_rope_factors(const Json& rope, double theta, double factor, double original) {
    const double low = config_.number_or(rope, "low_freq_factor", 1),
                 high = config_.number_or(rope, "high_freq_factor", 4);
    if (!(original > 0 && high > low && low > 0))
      config_.fail("the rope scaling \"llama3\" lacks its lengths and factors");
    std::vector<float> divisors;
    for (int64_t i = 0; i < head_dim_ / 2; ++i) {
      const double wave = 2 * M_PI * std::pow(theta, 2.0 * static_cast<double>(i) / static_cast<double>(head_dim_));
      const double smooth = std::clamp((original / wave - low) / (high - low), 0.0, 1.0);
      divisors.push_back(static_cast<float>(1 / ((1 - smooth) / factor + smooth)));
    }
    Rows rows;
    rows.to.name = kRopeFactors;
    rows.to.type = &info_of(GgmlType::kF32);
    rows.to.shape = {head_dim_ / 2};
    rows.read = [divisors](int64_t, float* out) { std::copy(divisors.begin(), divisors.end(), out); };
    rows_.push_back(std::move(rows));
  }

  void add_tokens() {
    TokenizerFiles files{directory_,
                         read_json(directory_, "tokenizer.json", false),
                         read_json(directory_, "tokenizer_config.json", false),
                         config_.json(),
                         read_json(directory_, "generation_config.json", false),
                         ""};
    const std::string chat = base::join_path(directory_, "chat_template.jinja");
    if (base::file_exists(chat)) files.chat_template = base::read_file(chat);
    add_tokenizer(files, vocab_, pairs_);
  }

  void add_tensor(const ShardTensor& tensor) {
    const std::string& name = tensor.entry->name;
    if (name.ends_with("rotary_emb.inv_freq") || (is_tied_ && name == "lm_head.weight")) return;
    const auto renamed = gguf_name(architecture_, name);
    const auto fail_tensor = [&](const std::string& message) {
      throw Error(ErrorCode::kInput, base::cat("tensor ", Json(name).dump(), " ", message), tensor.file->path());
    };
    if (!renamed) fail_tensor(base::cat("has no place in a GGUF file of the architecture ", architecture_));
    const std::vector<int64_t>& shape = tensor.entry->shape;
    if (shape.empty() || shape.size() > 2 || tensor.weights == 0)
      fail_tensor(base::cat("has the shape ", Json::list(shape).dump(), "; a vector or a matrix is expected"));
    // A vector of heads (a bias) is turned like a matrix of one column, which here only a matrix is.
    const bool turns = renamed->change == GgufChange::kTurnHeads;
    if (turns && (shape.size() != 2 || shape[0] % head_dim_ != 0))
      fail_tensor(
          base::cat("has the shape ", Json::list(shape).dump(), "; rows of heads of ", head_dim_, " are expected"));
    Rows rows;
    rows.to.name = renamed->name;
    rows.to.shape = shape;
    rows.to.type = &info_of(shape.size() == 1 ? GgmlType::kF32 : type_);
    if (shape.back() % rows.to.type->block_weights != 0) rows.to.type = &info_of(GgmlType::kF16);
    const int64_t columns = shape.back(), head_dim = head_dim_;
    const float add = renamed->change == GgufChange::kAddOne ? 1.0f : 0.0f;
    rows.read = [this, &tensor, columns, head_dim, turns, add](int64_t row, float* out) {
      weights_.read(tensor, (turns ? turned_row(row, head_dim) : row) * columns, columns, out);
      if (add != 0)
        for (int64_t i = 0; i < columns; ++i) out[i] += add;
    };
    rows_.push_back(std::move(rows));
  }

  void write_file(const std::string& path) {
    std::vector<GgufTensor> tensors;
    for (const Rows& rows : rows_) tensors.push_back(rows.to);
    GgufWriter writer(path, pairs_, std::move(tensors));
    std::vector<float> weights;
    std::string blocks;
    for (size_t i = 0; i < rows_.size(); ++i) {
      const GgufTensor& tensor = writer.tensors()[i];
      const GgmlTypeInfo& type = *tensor.type;
      const int64_t columns = tensor.shape.back(), rows = tensor.weights / columns;
      const int64_t at_once = std::clamp<int64_t>(kWeightsAtOnce / columns, 1, rows);
      for (int64_t row = 0; row < rows; row += at_once) {
        const int64_t n = std::min(at_once, rows - row);
        weights.resize(static_cast<size_t>(n * columns));
        for (int64_t r = 0; r < n; ++r) rows_[i].read(row + r, weights.data() + r * columns);
        blocks.resize(static_cast<size_t>(n * columns / type.block_weights * type.block_bytes));
        if (!quantize(type.type, weights.data(), blocks.data(), n * columns))
          throw Error(ErrorCode::kInput,
                      base::cat("tensor \"", tensor.name, "\" holds a weight beyond what ", type.name,
                                " can hold; write bf16 or f32"),
                      directory_);
        writer.write(tensor, blocks.data(), blocks.size());
      }
    }
    writer.close();
  }

  std::string directory_;
  Config config_;
  SafetensorsDirectory weights_;
  GgmlType type_;
  std::string architecture_;
  int64_t vocab_ = 0, head_dim_ = 0;
  bool is_tied_ = false;
  GgufPairs pairs_;
  std::vector<Rows> rows_;
};

}  // namespace

void export_gguf(const std::string& directory, const std::string& path, GgmlType type) {
  PONDER_CHECK(info_of(type).can_write, info_of(type).name, " cannot be written");
  Exporter(directory, type).write(path);
}

void export_safetensors(const GgufFile& file, const std::string& path, const std::string& dtype) {
  const GgufMetadata& metadata = file.metadata();
  const std::string architecture(metadata.string_at("general.architecture"));
  const int64_t heads = metadata.int_at(architecture + ".attention.head_count");
  const int64_t width = metadata.int_at(architecture + ".embedding_length");
  if (heads < 1) throw Error(ErrorCode::kInput, "attention.head_count must be at least 1", file.path());
  const int64_t head_dim = metadata.int_or(architecture + ".attention.key_length", width / heads);
  std::vector<TensorEntry> entries;
  std::unordered_map<std::string, std::pair<const GgufTensor*, GgufChange>> from;
  for (const GgufTensor& tensor : file.tensors()) {
    if (tensor.name == kRopeFactors) continue;  // config.json says it
    const auto fail_tensor = [&](const std::string& message) {
      throw Error(ErrorCode::kInput, base::cat("tensor ", Json(tensor.name).dump(), " ", message), file.path());
    };
    const auto renamed = hf_name(architecture, tensor.name);
    if (!renamed) fail_tensor(base::cat("is not known in the architecture ", architecture));
    if (renamed->change == GgufChange::kTurnHeads &&
        (tensor.shape.size() != 2 || head_dim < 2 || head_dim % 2 != 0 || tensor.shape[0] % head_dim != 0))
      fail_tensor(base::cat("has no rows of heads of ", head_dim));
    entries.push_back({renamed->name, dtype, tensor.shape, 0, 0});
    from[renamed->name] = {&tensor, renamed->change};
  }
  SafetensorsWriter writer(path, std::move(entries), {{"format", "pt"}});
  const GgmlTypeInfo* type = find_ggml_type(dtype);
  PONDER_CHECK(type && type->block_weights == 1 && type->can_write, "cannot write ", dtype);
  std::vector<float> weights;
  std::string bytes;
  for (const TensorEntry& entry : writer.entries()) {
    const auto& [tensor, change] = from.at(entry.name);
    const int64_t columns = tensor->shape.back(), rows = tensor->weights / columns;
    weights.resize(static_cast<size_t>(tensor->weights));
    for (int64_t row = 0; row < rows; ++row) {
      const bool turns = change == GgufChange::kTurnHeads;
      file.read(*tensor, (turns ? unturned_row(row, head_dim) : row) * columns, columns,
                weights.data() + row * columns);
    }
    if (change == GgufChange::kAddOne)
      for (float& weight : weights) weight -= 1.0f;
    bytes.resize(static_cast<size_t>(entry.bytes));
    if (!quantize(type->type, weights.data(), bytes.data(), tensor->weights))
      throw Error(ErrorCode::kInput,
                  base::cat("tensor \"", entry.name, "\" holds a weight beyond what ", dtype, " can hold"),
                  file.path());
    writer.write(entry, bytes.data(), bytes.size());
  }
  writer.close();
}

}  // namespace ponder::store
