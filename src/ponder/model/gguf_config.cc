#include "ponder/model/gguf_config.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <optional>

#include "ponder/base/error.h"
#include "ponder/model/families.h"
#include "ponder/store/gguf_end_tokens.h"
#include "ponder/store/gguf_names.h"

namespace ponder::model {
namespace {

using base::Json;
using store::GgufMetadata;
using tensor::Rotary;
using tensor::RotaryScaling;

[[noreturn]] void fail(const GgufMetadata& metadata, const std::string& message) {
  throw Error(ErrorCode::kInput, message, metadata.where());
}

const Family& family_of(const GgufMetadata& metadata) {
  const std::string name(metadata.string_at("general.architecture"));
  // Mistral's files call themselves llama.
  if (name == "llama" && metadata.has("llama.attention.sliding_window")) return find_family("mistral");
  std::string known;
  for (const Family& family : all_families()) {
    const auto architecture = store::gguf_architecture(family.name);
    if (name == architecture) return family;
    if (architecture && known.find(*architecture) == std::string::npos)
      known += base::cat(known.empty() ? "" : ", ", *architecture);
  }
  fail(metadata, base::cat("general.architecture is ", name, "; this decoder computes ", known));
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
                                      "attention.causal",
                                      "rope.dimension_count",
                                      "rope.freq_base",
                                      "rope.scaling.type",
                                      "rope.scaling.factor",
                                      "rope.scaling.attn_factor",
                                      "rope.scaling.original_context_length",
                                      "rope.scaling.finetuned"};

void check_keys(const GgufMetadata& metadata, const Family& family, const std::string& prefix) {
  for (const auto& [key, value] : metadata.entries()) {
    if (!key.starts_with(prefix)) continue;
    const std::string_view name = key.substr(prefix.size());
    const auto knows = [&](const auto& keys) {
      return std::find(std::begin(keys), std::end(keys), name) != keys.end();
    };
    if (name == "attention.sliding_window" && !knows(family.gguf_keys))
      fail(metadata, base::cat(key, " is there; this decoder computes a ", family.name, " of GGUF without windows"));
    if (std::find(std::begin(kKnownKeys), std::end(kKnownKeys), name) == std::end(kKnownKeys) &&
        !knows(family.gguf_keys))
      fail(metadata, base::cat(key, " is not a key that this decoder knows"));
  }
}

// ---- ropes ----

// Divisors of a rope that is slowed as Llama 3.1's is: 1 for pairs that turn fast, `factor` for slow ones.
std::vector<float> llama3_divisors(const Rotary& r, int64_t head_dim) {
  std::vector<float> divisors;
  for (int64_t i = 0; i < head_dim / 2; ++i) {
    const double wave = 2 * M_PI * std::pow(r.theta, 2 * static_cast<double>(i) / static_cast<double>(head_dim));
    const double turns = static_cast<double>(r.original_context) / wave;
    const double smooth = std::clamp((turns - r.slow) / (r.fast - r.slow), 0.0, 1.0);
    divisors.push_back(static_cast<float>(1 / ((1 - smooth) / r.factor + smooth)));
  }
  return divisors;
}

bool has_divisors(const Rotary& r, const std::vector<float>& divisors) {
  const std::vector<float> found = llama3_divisors(r, 2 * static_cast<int64_t>(divisors.size()));
  return std::equal(found.begin(), found.end(), divisors.begin(),
                    [](float a, float b) { return std::abs(a / b - 1) <= 1e-5f; });
}

// The file has the result alone. Pairs between the bounds give them away: 1 / divisor is linear in the turns of a pair
// there. The bounds and the context can grow together, so the slow one is taken as 1, as it is in every published
// model; so is the fast one as 4 where a single pair lies between them. Nothing when no such rope has these divisors.
std::optional<Rotary> find_llama3(const std::vector<float>& divisors, double theta) {
  Rotary r{.theta = theta, .scaling = RotaryScaling::kLlama3, .slow = 1, .fast = 4};
  r.factor = static_cast<double>(*std::max_element(divisors.begin(), divisors.end()));
  if (r.factor <= 1) return std::nullopt;
  struct Point {
    double turns, smooth;  // turns a token of context
  };
  std::vector<Point> between;
  double fastest_slow = 0;  // turns a token
  for (size_t i = 0; i < divisors.size(); ++i) {
    const double exponent = static_cast<double>(i) / static_cast<double>(divisors.size());
    const double turns = 1 / (2 * M_PI * std::pow(theta, exponent)), d = static_cast<double>(divisors[i]);
    const double smooth = (1 / d - 1 / r.factor) / (1 - 1 / r.factor);
    if (smooth < 1e-6)
      fastest_slow = std::max(fastest_slow, turns);
    else if (smooth < 1 - 1e-6)
      between.push_back({turns, smooth});
  }
  double context = 0;
  if (between.size() >= 2) {
    const Point &a = between.front(), &b = between.back();
    const double slope = (a.smooth - b.smooth) / (a.turns - b.turns), at_none = slope * a.turns - a.smooth;
    if (!(slope > 0 && at_none > 0)) return std::nullopt;
    context = slope / at_none;
    r.fast = std::round((1 + 1 / at_none) * 64) / 64;
  } else if (between.size() == 1) {
    context = (1 + between[0].smooth * (r.fast - r.slow)) / between[0].turns;
  } else if (fastest_slow > 0) {  // the largest power of two that leaves the slow pairs slow
    context = std::exp2(std::floor(std::log2(1 / fastest_slow)));
  } else {
    return std::nullopt;
  }
  // Divisors of a few digits do not say the last one of a large context; published ones are multiples of 2^10.
  for (const double step : {1024.0, 1.0}) {
    const double rounded = std::round(context / step) * step;
    if (!(rounded >= 1 && rounded <= 1 << 30)) continue;
    r.original_context = static_cast<int64_t>(rounded);
    if (r.fast > r.slow && has_divisors(r, divisors)) return r;
  }
  return std::nullopt;
}

Json divisors_json(const GgufHeader& header, double theta, int64_t head_dim, int64_t context) {
  const std::vector<float>& divisors = header.rope_divisors;
  if (static_cast<int64_t>(divisors.size()) != head_dim / 2)
    fail(header.metadata, base::cat(store::kGgufRopeDivisors, " has ", divisors.size(), " numbers; heads of ", head_dim,
                                    " need ", head_dim / 2));
  if (const auto bad = std::find_if(divisors.begin(), divisors.end(), [](float d) { return !(d > 0); });
      bad != divisors.end())
    fail(header.metadata, base::cat(store::kGgufRopeDivisors, " holds ", *bad, "; divisors are above 0"));
  if (std::all_of(divisors.begin(), divisors.end(), [](float d) { return d == 1; })) return nullptr;
  if (const auto found = find_llama3(divisors, theta)) return rotary_json(*found);
  return rotary_json(
      {.theta = theta, .scaling = RotaryScaling::kDivisors, .original_context = context, .divisors = divisors});
}

// YaRN's growth of queries and keys, where a file says nothing else (Peng et al. 2023, eq. 22).
double usual_length(double factor) { return factor <= 1 ? 1 : 0.1 * std::log(factor) + 1; }

Json rope_scaling(const GgufHeader& header, const std::string& prefix, double theta, int64_t head_dim, int64_t context,
                  bool is_llama) {
  const GgufMetadata& m = header.metadata;
  const std::string key = prefix + "rope.scaling.";
  // A factor without a type is linear. No scaling takes no notice of it, and linear may do without: then it is 1.
  const std::string type(m.string_or(key + "type", "linear"));
  const double factor = type == "none" ? 1 : m.double_or(key + "factor", 0);
  const bool is_linear = type == "linear", scales = type != "none" && !(is_linear && (factor == 0 || factor == 1));
  const double grows = m.double_or(key + "attn_factor", 1);
  if (grows != 1 && (type != "yarn" || prefix == "gemma3."))
    fail(m,
         base::cat(key, "attn_factor is ", grows, "; this decoder computes it with yarn alone, and not of a gemma3"));
  if (!header.rope_divisors.empty()) {
    if (!is_llama) fail(m, base::cat(store::kGgufRopeDivisors, " is there; only a llama has it"));
    if (scales) fail(m, base::cat(key, "type is ", type, " beside ", store::kGgufRopeDivisors, "; one of both"));
    return divisors_json(header, theta, head_dim, context);
  }
  if (!scales) return nullptr;
  if (!is_linear && type != "yarn")
    fail(m, base::cat(key, "type is ", type.substr(0, 100), "; this decoder computes none, linear and yarn"));
  Json json;
  json["rope_type"] = type;
  json["factor"] = m.double_at(key + "factor");
  if (type != "yarn") return json;
  json["original_max_position_embeddings"] = m.int_or(key + "original_context_length", context);
  json["attention_factor"] = grows * usual_length(factor);
  return json;
}

void add_rope(const DecoderConfig& c, const std::string& prefix, store::GgufModel& model) {
  const Rotary r = c.full_rotary();
  store::GgufPairs& pairs = model.pairs;
  pairs.add_f32(prefix + "rope.freq_base", r.theta);
  const bool is_llama = model.architecture == "llama";
  if (is_llama && r.scaling == RotaryScaling::kLlama3) model.rope_divisors = llama3_divisors(r, c.head_dim);
  if (is_llama && r.scaling == RotaryScaling::kDivisors) model.rope_divisors = r.divisors;
  if (r.scaling != RotaryScaling::kLinear && r.scaling != RotaryScaling::kYarn) return;
  const bool yarn = r.scaling == RotaryScaling::kYarn;
  pairs.add_string(prefix + "rope.scaling.type", yarn ? "yarn" : "linear");
  pairs.add_f32(prefix + "rope.scaling.factor", r.factor);
  if (!yarn) return;
  pairs.add_u32(prefix + "rope.scaling.original_context_length", r.original_context);
  const double grows = r.length / usual_length(r.factor);
  if (std::abs(grows - 1) > 1e-6 && model.architecture != "gemma3")
    pairs.add_f32(prefix + "rope.scaling.attn_factor", grows);
}

// ---- comparing what was meant with what is read ----

// The path of the first value that differs, "" = none. Numbers pass through f32.
std::string difference(const Json& a, const Json& b, const std::string& path) {
  if (a.is_object() && b.is_object()) {
    for (const auto& [key, value] : a.as_object()) {
      const Json* other = b.find(key);
      const std::string found = difference(value, other ? *other : Json(), path.empty() ? key : path + "." + key);
      if (!found.empty()) return found;
    }
    return "";
  }
  if (a.is_number() && b.is_number() && !(a.is_int() && b.is_int())) {
    const double x = a.as_double(), y = b.as_double();
    return std::abs(x - y) <= 1e-6 * std::max(std::abs(x), std::abs(y)) ? "" : path;
  }
  return a == b ? "" : path;
}

const Json& value_at(const Json& json, const std::string& path) {
  const size_t dot = path.find('.');
  const Json& value = json.at(path.substr(0, dot));
  return dot == std::string::npos ? value : value_at(value, path.substr(dot + 1));
}

// config.json without what a file says elsewhere (tokens) or not at all (how products are computed).
Json decoder_json(DecoderConfig config) {
  config.bos_id = config.pad_id = -1, config.eos_ids.clear(), config.compute = "f32";
  return to_hf_json(config);
}

void check_is_read_back(const DecoderConfig& config, const store::GgufModel& model, const std::string& where) {
  const std::string file = [&] {
    store::GgufPairs pairs;
    pairs.add_string("general.architecture", model.architecture);
    pairs.add_all(model.pairs);
    return pairs.file();
  }();
  const store::GgufLayout layout = store::read_gguf_layout(file, where);
  const DecoderConfig back =
      from_hf_json(gguf_config_json(GgufHeader{layout.metadata, model.vocab, model.tied, model.rope_divisors}), where);
  DecoderConfig meant = config;
  // A Mistral without windows is a Llama.
  if (meant.windowed.empty() && store::gguf_architecture(meant.family) == store::gguf_architecture(back.family))
    meant.family = back.family;
  // Where there is a table it is the whole rope, and several configurations have the same one.
  if (!model.rope_divisors.empty() && meant.rotary.length == back.rotary.length) meant.rotary = back.rotary;
  const Json wanted = decoder_json(meant);
  if (const std::string path = difference(wanted, decoder_json(back), ""); !path.empty()) {
    std::string value = value_at(wanted, path).dump();
    if (constexpr size_t kShown = 80; value.size() > kShown) value = value.substr(0, kShown) + " …";
    throw Error(ErrorCode::kInput,
                base::cat(path, " is ", value, "; a GGUF file of the architecture ", model.architecture,
                          " has no place for that"),
                where);
  }
}

}  // namespace

Json gguf_config_json(const GgufHeader& header) {
  const GgufMetadata& metadata = header.metadata;
  const Family& family = family_of(metadata);
  const std::string architecture(metadata.string_at("general.architecture")), prefix = architecture + ".";
  check_keys(metadata, family, prefix);
  const auto integer = [&](const char* key) { return metadata.int_at(prefix + key); };
  Json json;
  json["architectures"] = Json::Array{family.architecture};
  json["model_type"] = family.name;
  json["vocab_size"] = header.vocab;
  json["hidden_size"] = integer("embedding_length");
  json["num_hidden_layers"] = integer("block_count");
  json["intermediate_size"] = integer("feed_forward_length");
  const int64_t heads = integer("attention.head_count"), context = integer("context_length");
  json["num_attention_heads"] = heads;
  json["num_key_value_heads"] = metadata.int_or(prefix + "attention.head_count_kv", heads);
  json["max_position_embeddings"] = context;
  json["rms_norm_eps"] = metadata.double_at(prefix + "attention.layer_norm_rms_epsilon");
  const double theta = metadata.double_or(prefix + "rope.freq_base", 10000);
  json["rope_theta"] = theta;
  const int64_t head_dim = store::gguf_head_dim(metadata);
  json["head_dim"] = head_dim;
  for (const char* key : {"attention.value_length", "rope.dimension_count"})
    if (metadata.int_or(prefix + key, head_dim) != head_dim)
      fail(metadata,
           base::cat(prefix, key, " is not the length of a key, ", head_dim, "; this decoder computes nothing else"));
  if (!metadata.bool_or(prefix + "attention.causal", true))
    fail(metadata, base::cat(prefix, "attention.causal is false; this decoder computes causal attention"));
  json["rope_scaling"] = rope_scaling(header, prefix, theta, head_dim, context, architecture == "llama");
  json["tie_word_embeddings"] = header.tied;
  for (const auto& [name, key] : {std::pair{"bos_token_id", "tokenizer.ggml.bos_token_id"},
                                  std::pair{"pad_token_id", "tokenizer.ggml.padding_token_id"}})
    json[name] = metadata.has(key) ? Json(metadata.int_at(key)) : Json();
  json["eos_token_id"] = Json::list(store::gguf_end_tokens(metadata, header.vocab));
  if (family.read_gguf) family.read_gguf(metadata, prefix, json);
  return json;
}

store::GgufModel gguf_model(const DecoderConfig& given, const std::string& where) {
  DecoderConfig c = given;
  c.resolve();
  const Family& family = find_family(c.family);
  const auto architecture = store::gguf_architecture(c.family);
  if (!architecture)
    throw Error(ErrorCode::kInput, base::cat("model_type is ", c.family, ", for which llama.cpp has no architecture"),
                where);
  store::GgufModel model{.architecture = *architecture, .vocab = c.vocab, .head_dim = c.head_dim, .tied = c.tied};
  model.tokens = {c.bos_id, c.pad_id, c.eos_ids};
  const std::string prefix = *architecture + ".";
  const std::pair<const char*, int64_t> kCounts[] = {{"vocab_size", c.vocab},
                                                     {"context_length", c.context},
                                                     {"embedding_length", c.width},
                                                     {"block_count", c.layers},
                                                     {"feed_forward_length", c.ffn},
                                                     {"attention.head_count", c.heads},
                                                     {"attention.head_count_kv", c.kv_heads},
                                                     {"attention.key_length", c.head_dim},
                                                     {"attention.value_length", c.head_dim},
                                                     {"rope.dimension_count", c.head_dim}};
  for (const auto& [key, value] : kCounts) model.pairs.add_u32(prefix + key, value);
  model.pairs.add_f32(prefix + "attention.layer_norm_rms_epsilon", c.norm_eps);
  add_rope(c, prefix, model);
  if (family.write_gguf) family.write_gguf(c, prefix, model.pairs);
  check_is_read_back(c, model, where);
  return model;
}

}  // namespace ponder::model
