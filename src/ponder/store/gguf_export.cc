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

Json read_json(const std::string& directory, const char* name) {
  const std::string path = base::join_path(directory, name);
  if (!base::file_exists(path)) return {};
  return Json::parse(base::read_file(path), path);
}

// What is written in the place of one tensor: rows of f32 on demand.
struct Rows {
  GgufTensor to;
  std::function<void(int64_t row, float* out)> read;
};

class Exporter {
 public:
  Exporter(const std::string& directory, const GgufModel& model, GgmlType type)
      : directory_(directory), model_(model), weights_(directory), type_(type) {}

  void write(const std::string& path, const GgufCheck& check) {
    add_general();
    pairs_.add_all(model_.pairs);
    add_tokens();
    if (check) {
      const std::string file = pairs_.file();
      check(read_gguf_layout(file, path).metadata);
    }
    if (!model_.rope_divisors.empty()) add_rope_divisors();
    for (const ShardTensor& tensor : weights_.tensors()) add_tensor(tensor);
    write_file(path);
  }

 private:
  void add_general() {
    constexpr std::pair<GgmlType, int64_t> kFileTypes[] = {
        {GgmlType::kF32, 0}, {GgmlType::kF16, 1}, {GgmlType::kQ8_0, 7}, {GgmlType::kBf16, 32}};  // llama.cpp's numbers
    pairs_.add_string("general.architecture", model_.architecture);
    pairs_.add_string("general.type", "model");
    pairs_.add_string("general.name", base::file_name(directory_));
    for (const auto& [type, number] : kFileTypes)
      if (type == type_) pairs_.add_u32("general.file_type", number);
    pairs_.add_u32("general.quantization_version", 2);
  }

  void add_rope_divisors() {
    Rows rows;
    rows.to.name = kGgufRopeDivisors;
    rows.to.type = &info_of(GgmlType::kF32);
    rows.to.shape = {static_cast<int64_t>(model_.rope_divisors.size())};
    rows.read = [this](int64_t, float* out) {
      std::copy(model_.rope_divisors.begin(), model_.rope_divisors.end(), out);
    };
    rows_.push_back(std::move(rows));
  }

  void add_tokens() {
    TokenizerFiles files{directory_,
                         read_json(directory_, "tokenizer.json"),
                         read_json(directory_, "tokenizer_config.json"),
                         model_.tokens,
                         {}};
    // As transformers has it: files of templates, or chat_template.json, or else tokenizer_config.json.
    const auto path = [&](const std::string& name) { return base::join_path(directory_, name); };
    if (base::file_exists(path("chat_template.jinja")))
      files.chat_templates.emplace_back("default", base::read_file(path("chat_template.jinja")));
    if (const std::string more = path("additional_chat_templates"); base::is_directory(more))
      for (const std::string& name : base::list_directory(more))
        if (constexpr std::string_view kEnd = ".jinja"; name.ends_with(kEnd))
          files.chat_templates.emplace_back(name.substr(0, name.size() - kEnd.size()),
                                            base::read_file(base::join_path(more, name)));
    if (const Json own = read_json(directory_, "chat_template.json"); own.find("chat_template"))
      files.config["chat_template"] = own.at("chat_template");
    add_tokenizer(files, model_.vocab, pairs_);
  }

  void add_tensor(const ShardTensor& tensor) {
    const std::string& name = tensor.entry->name;
    if (name.ends_with("rotary_emb.inv_freq") || (model_.tied && name == "lm_head.weight")) return;
    const auto renamed = gguf_name(model_.architecture, name);
    const auto fail_tensor = [&](const std::string& message) {
      throw Error(ErrorCode::kInput, base::cat("tensor ", Json(name).dump(), " ", message), tensor.file->path());
    };
    if (!renamed) fail_tensor(base::cat("has no place in a GGUF file of the architecture ", model_.architecture));
    const std::vector<int64_t>& shape = tensor.entry->shape;
    if (shape.empty() || shape.size() > 2 || tensor.weights == 0)
      fail_tensor(base::cat("has the shape ", Json::list(shape).dump(), "; a vector or a matrix is expected"));
    // A vector of heads (a bias) is turned like a matrix of one column, which here only a matrix is.
    const bool turns = renamed->change == GgufChange::kTurnHeads;
    if (turns && (shape.size() != 2 || shape[0] % model_.head_dim != 0))
      fail_tensor(base::cat("has the shape ", Json::list(shape).dump(), "; rows of heads of ", model_.head_dim,
                            " are expected"));
    Rows rows;
    rows.to.name = renamed->name;
    rows.to.shape = shape;
    rows.to.type = &info_of(shape.size() == 1 ? GgmlType::kF32 : type_);
    if (shape.back() % rows.to.type->block_weights != 0) rows.to.type = &info_of(GgmlType::kF16);
    const int64_t columns = shape.back(), head_dim = model_.head_dim;
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
  const GgufModel& model_;
  SafetensorsDirectory weights_;
  GgmlType type_;
  GgufPairs pairs_;
  std::vector<Rows> rows_;
};

}  // namespace

void export_gguf(const std::string& directory, const std::string& path, GgmlType type, const GgufModel& model,
                 const GgufCheck& check) {
  PONDER_CHECK(info_of(type).can_write, info_of(type).name, " cannot be written");
  Exporter(directory, model, type).write(path, check);
}

void export_safetensors(const GgufFile& file, const std::string& path, const std::string& dtype) {
  const GgufMetadata& metadata = file.metadata();
  const std::string architecture(metadata.string_at("general.architecture"));
  const int64_t head_dim = gguf_head_dim(metadata);
  std::vector<TensorEntry> entries;
  std::unordered_map<std::string, std::pair<const GgufTensor*, GgufChange>> from;
  for (const GgufTensor& tensor : file.tensors()) {
    if (tensor.name == kGgufRopeDivisors) continue;  // config.json says it
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
