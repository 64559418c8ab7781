#include "ponder/store/gguf_info.h"

#include <algorithm>
#include <map>
#include <string>

#include "ponder/base/error.h"

namespace ponder::store {
namespace {

using base::Json;

constexpr size_t kShownBytes = 200;
constexpr size_t kShownKeys = 200;

Json shown_text(std::string_view text) {
  if (text.size() <= kShownBytes) return Json(text);
  return Json(base::cat(text.substr(0, kShownBytes), "… (", text.size(), " bytes)"));
}

// A value of the metadata as a person wants to see it. NaN prints as null, a u64 beyond i64 as its bits.
Json shown(const GgufMetadata& metadata, std::string_view key, const GgufValue& value) {
  if (value.is_list()) return base::cat(value.count, " x ", gguf_type_name(value.item));
  switch (value.type) {
    case GgufType::kString:
      return shown_text(value.bytes);
    case GgufType::kBool:
      return metadata.bool_at(key);
    case GgufType::kF32:
    case GgufType::kF64: {
      try {
        return metadata.double_at(key);
      } catch (const Error&) {
        return nullptr;
      }
    }
    default:
      try {
        return metadata.int_at(key);
      } catch (const Error&) {
        return "beyond 2^63";
      }
  }
}

// One number, or where a file has one a layer, the largest.
Json number(const GgufMetadata& metadata, const std::string& key) {
  const GgufValue* value = metadata.find(key);
  if (!value) return nullptr;
  if (!value->is_list()) return metadata.int_at(key);
  const std::vector<int64_t> all = metadata.ints_at(key);
  return all.empty() ? Json() : Json(*std::max_element(all.begin(), all.end()));
}

Json types_of(const GgufFile& file) {
  struct Sum {
    int64_t tensors = 0, weights = 0, bytes = 0;
  };
  std::map<std::string, Sum> sums;
  for (const GgufTensor& tensor : file.tensors()) {
    Sum& sum = sums[tensor.type->name];
    ++sum.tensors, sum.weights += tensor.weights, sum.bytes += tensor.bytes;  // no more bytes than the files have
  }
  Json json = Json::object();
  for (const auto& [name, sum] : sums)
    json[name] = Json::Object{{"tensors", sum.tensors}, {"weights", sum.weights}, {"bytes", sum.bytes}};
  return json;
}

Json tokenizer_of(const GgufMetadata& metadata) {
  if (!metadata.has("tokenizer.ggml.model")) return nullptr;
  const GgufValue* tokens = metadata.find("tokenizer.ggml.tokens");
  Json json = Json::object();
  json["model"] = shown_text(metadata.string_at("tokenizer.ggml.model"));
  json["pre"] = metadata.has("tokenizer.ggml.pre") ? shown_text(metadata.string_at("tokenizer.ggml.pre")) : Json();
  json["tokens"] = tokens && tokens->is_list() ? Json(tokens->count) : Json();
  json["chat_template"] = metadata.has("tokenizer.chat_template");
  return json;
}

}  // namespace

Json describe_gguf(const GgufFile& file) {
  const GgufMetadata& metadata = file.metadata();
  const std::string family(metadata.string_at("general.architecture"));
  const auto of_family = [&](const char* key) { return number(metadata, base::cat(family, ".", key)); };
  int64_t parameters = 0;
  for (const GgufTensor& tensor : file.tensors()) parameters += tensor.weights;
  Json json = Json::object();
  json["family"] = shown_text(family);
  json["name"] = metadata.has("general.name") ? shown_text(metadata.string_at("general.name")) : Json();
  json["parameters"] = parameters;
  json["context"] = of_family("context_length");
  const GgufTensor* embedding = file.find("token_embd.weight");
  json["vocab"] = embedding ? Json(embedding->shape[0]) : of_family("vocab_size");
  json["layers"] = of_family("block_count");
  json["width"] = of_family("embedding_length");
  json["heads"] = of_family("attention.head_count");
  json["kv_heads"] = of_family("attention.head_count_kv");
  json["ffn"] = of_family("feed_forward_length");
  json["tied"] = file.find("output.weight") == nullptr;
  json["types"] = types_of(file);
  json["tokenizer"] = tokenizer_of(metadata);
  Json keys = Json::object();
  for (const auto& [key, value] : metadata.entries()) {
    if (keys.size() == kShownKeys) break;
    keys[std::string(key.substr(0, kShownBytes))] = shown(metadata, key, value);
  }
  json["metadata"] = std::move(keys);
  json["version"] = static_cast<int64_t>(file.version());
  json["parts"] = file.parts();
  json["path"] = file.path();
  return json;
}

}  // namespace ponder::store
