#include "ponder/model/config_json.h"

#include <algorithm>
#include <cmath>

#include "ponder/base/error.h"
#include "ponder/model/families.h"

namespace ponder::model {
namespace {

using tensor::Rotary;
using tensor::RotaryScaling;

// Said by training, by bookkeeping and for sampling; they leave a forward pass as it is, as in transformers, whose
// PreTrainedConfig has most of them.
constexpr std::initializer_list<const char*> kWithoutEffect = {
    "architectures", "transformers_version", "torch_dtype", "dtype", "use_bfloat16", "tf_legacy_loss", "torchscript",
    "name_or_path", "tokenizer_class", "prefix", "is_encoder_decoder", "is_decoder", "tie_encoder_decoder",
    "pretraining_tp", "chunk_size_feed_forward", "attn_implementation", "use_cache", "cache_implementation",
    "output_attentions", "output_hidden_states", "return_dict", "tie_last_hidden_states",
    // A context under other names; max_position_embeddings is what counts.
    "model_max_length", "max_sequence_length",
    // Classifiers, whose heads are no tensors of a decoder.
    "id2label", "label2id", "num_labels", "problem_type", "finetuning_task", "task_specific_params",
    // Training.
    "initializer_range", "attention_dropout", "hidden_dropout", "neftune_noise_alpha", "gradient_checkpointing",
    // Tokens that no model of these families reads or ends with.
    "unk_token_id", "sep_token_id", "decoder_start_token_id",
    // How older checkpoints want to be sampled, as generation_config.json says it now.
    "max_length", "min_length", "do_sample", "early_stopping", "num_beams", "num_beam_groups", "diversity_penalty",
    "temperature", "top_k", "top_p", "typical_p", "repetition_penalty", "length_penalty", "no_repeat_ngram_size",
    "encoder_no_repeat_ngram_size", "num_return_sequences", "output_scores", "return_dict_in_generate",
    "remove_invalid_values",
    // For other programs. auto_map names code that a checkpoint brings along; transformers does without it where it
    // knows the model_type itself, and so do we.
    "auto_map", "transformers.js_config", "is_llama_config"};

bool is_off(const base::Json& value) {
  return value.is_null() || value == base::Json(false) || value == base::Json(0) || value == base::Json(0.0) ||
         (value.is_object() && value.size() == 0) || (value.is_array() && value.size() == 0);
}

// A value in a message, of which a hostile file may hold megabytes.
std::string shown(const base::Json& value) {
  std::string text = value.dump();
  constexpr size_t kMost = 80;
  if (text.size() <= kMost) return text;
  text.resize(kMost);
  while (!text.empty() && static_cast<unsigned char>(text.back()) >= 0x80) text.pop_back();  // not half a character
  return text + " …";
}

const char* scaling_name(RotaryScaling scaling) {
  switch (scaling) {
    case RotaryScaling::kLinear:
      return "linear";
    case RotaryScaling::kLlama3:
      return "llama3";
    case RotaryScaling::kYarn:
      return "yarn";
    case RotaryScaling::kDivisors:
      return "longrope";
    case RotaryScaling::kNone:
      break;
  }
  return "default";
}

// YaRN's growth of queries and keys with the context (Peng et al. 2023, eq. 22).
double yarn_length(double factor, double mscale) { return factor <= 1 ? 1 : 0.1 * mscale * std::log(factor) + 1; }

void read_yarn(ConfigReader& rope, int64_t context, Rotary& r) {
  r.scaling = RotaryScaling::kYarn;
  r.original_context = rope.integer_or("original_max_position_embeddings", context);
  if (r.original_context < 1) rope.fail("original_max_position_embeddings must be at least 1");
  r.factor = rope.number_or("factor", static_cast<double>(context) / static_cast<double>(r.original_context));
  r.fast = rope.number_or("beta_fast", 32);
  r.slow = rope.number_or("beta_slow", 1);
  r.whole_bounds = rope.flag_or("truncate", true);
  const double mscale = rope.number_or("mscale", 0), all = rope.number_or("mscale_all_dim", 0);
  const double length =
      mscale != 0 && all != 0 ? yarn_length(r.factor, mscale) / yarn_length(r.factor, all) : yarn_length(r.factor, 1);
  r.length = rope.number_or("attention_factor", length);
}

void read_llama3(ConfigReader& rope, int64_t context, Rotary& r) {
  r.scaling = RotaryScaling::kLlama3;
  for (const char* key : {"factor", "low_freq_factor", "high_freq_factor"})
    if (!rope.find(key)) rope.fail(base::cat("rope_type is llama3 and there is no ", key));
  r.factor = rope.number_or("factor", 1);
  r.slow = rope.number_or("low_freq_factor", 1);
  r.fast = rope.number_or("high_freq_factor", 4);
  r.original_context = rope.integer_or("original_max_position_embeddings", context);
}

// LongRoPE with one list of factors for all lengths, and nothing that follows from the length of a text.
void read_longrope(ConfigReader& rope, int64_t context, Rotary& r) {
  r.scaling = RotaryScaling::kDivisors;
  const auto numbers = [&](const char* key) {
    const base::Json* list = rope.find(key);
    if (!list || !list->is_array()) rope.fail(base::cat("rope_type is longrope and there is no list ", key));
    std::vector<float> values;
    for (const base::Json& value : list->as_array()) {
      if (!value.is_number()) rope.fail(base::cat(key, " holds ", shown(value), "; numbers are wanted"));
      values.push_back(static_cast<float>(value.as_double()));
    }
    return values;
  };
  r.divisors = numbers("short_factor");
  if (numbers("long_factor") != r.divisors)
    rope.refuse("long_factor", "not short_factor", "the same factors at every length");
  if (!rope.find("attention_factor")) rope.fail("rope_type is longrope and there is no attention_factor");
  r.length = rope.number_or("attention_factor", 1);
  r.original_context = rope.integer_or("original_max_position_embeddings", context);
  rope.ignore({"factor"});
}

// What every family's config.json holds.
void read_sizes(ConfigReader& json, DecoderConfig& c) {
  c.vocab = json.integer("vocab_size");
  c.width = json.integer("hidden_size");
  c.layers = json.integer("num_hidden_layers");
  c.heads = json.integer("num_attention_heads");
  c.kv_heads = json.integer_or("num_key_value_heads", c.heads);
  if (c.kv_heads < 1) json.fail(base::cat("num_key_value_heads is ", c.kv_heads, "; it must be at least 1"));
  c.head_dim = json.integer_or("head_dim", 0);
  c.ffn = json.integer("intermediate_size");
  c.context = json.integer("max_position_embeddings");
  c.norm_eps = json.number_or("rms_norm_eps", 1e-6);
  c.bos_id = json.integer_or("bos_token_id", -1);
  c.pad_id = json.integer_or("pad_token_id", -1);
  if (std::min(c.bos_id, c.pad_id) < -1) json.fail("bos_token_id and pad_token_id must be at least 0, or -1 for none");
  c.eos_ids = json.integers("eos_token_id");
  c.value_head = json.flag_or("ponder_value_head", false);
  c.compute = json.text_or("ponder_compute", "f32");
  // Lists in the file are read by this many layers before resolve() looks at it.
  if (c.layers < 1 || c.layers > 1024) json.fail(base::cat("num_hidden_layers is ", c.layers, "; it must be 1 … 1024"));
}

[[noreturn]] void refuse_type(ConfigReader& json, const std::string& type) {
  if (!json.find("text_config")) json.refuse("model_type", type, family_names());
  json.fail(base::cat("model_type ", type.substr(0, 100),
                      " keeps its decoder in text_config, beside what reads images ",
                      "or sound; models of text alone are read (", family_names(),
                      "): a GGUF file of it, which holds the decoder alone, or the decoder saved by itself"));
}

base::Json id_json(int64_t id) { return id < 0 ? base::Json() : base::Json(id); }

}  // namespace

// ---- ConfigReader ----
ConfigReader::ConfigReader(const base::Json& json, std::string where, const std::string& part)
    : json_(json), where_(std::move(where)), part_(part.empty() ? "" : part + ": ") {
  if (!json.is_object()) fail(base::cat("this is ", json.type_name(), "; an object is wanted"));
}

void ConfigReader::fail(const std::string& message) const { throw Error(ErrorCode::kInput, part_ + message, where_); }

void ConfigReader::refuse(const std::string& key, const std::string& found, const std::string& computed) const {
  fail(base::cat(key, " is ", found.size() > 100 ? found.substr(0, 100) + " …" : found, "; this decoder computes ",
                 computed));
}

const base::Json* ConfigReader::find(const char* key) {
  asked_.insert(key);
  const base::Json* value = json_.find(key);
  return value && !value->is_null() ? value : nullptr;
}

int64_t ConfigReader::integer(const char* key) {
  if (!find(key)) fail(base::cat("there is no ", key));
  return integer_or(key, 0);
}

int64_t ConfigReader::integer_or(const char* key, int64_t missing) {
  const base::Json* value = find(key);
  if (value && !value->is_int()) fail(base::cat(key, " is ", shown(*value), "; a whole number is wanted"));
  return value ? value->as_int() : missing;
}

double ConfigReader::number(const char* key) {
  if (!find(key)) fail(base::cat("there is no ", key));
  return number_or(key, 0);
}

double ConfigReader::number_or(const char* key, double missing) {
  const base::Json* value = find(key);
  if (value && !value->is_number()) fail(base::cat(key, " is ", shown(*value), "; a number is wanted"));
  return value ? value->as_double() : missing;
}

bool ConfigReader::flag_or(const char* key, bool missing) {
  const base::Json* value = find(key);
  if (value && !value->is_bool()) fail(base::cat(key, " is ", shown(*value), "; true or false is wanted"));
  return value ? value->as_bool() : missing;
}

std::string ConfigReader::text_or(const char* key, const char* missing) {
  const base::Json* value = find(key);
  if (value && !value->is_string()) fail(base::cat(key, " is ", shown(*value), "; a text is wanted"));
  return value ? value->as_string() : missing;
}

std::vector<int64_t> ConfigReader::integers(const char* key) {
  const base::Json* value = find(key);
  if (!value) return {};
  if (!value->is_array()) return {integer_or(key, 0)};
  std::vector<int64_t> numbers;
  for (const base::Json& item : value->as_array()) {
    if (!item.is_int()) fail(base::cat(key, " holds ", shown(item), "; whole numbers are wanted"));
    numbers.push_back(item.as_int());
  }
  return numbers;
}

void ConfigReader::want_off(std::initializer_list<const char*> keys, const char* computed) {
  for (const char* key : keys)
    if (const base::Json* value = find(key); value && !is_off(*value)) refuse(key, shown(*value), computed);
}

void ConfigReader::ignore(std::initializer_list<const char*> keys) { asked_.insert(keys.begin(), keys.end()); }

void ConfigReader::finish() const {
  for (const auto& [key, value] : json_.as_object())
    if (!asked_.contains(key) && !key.starts_with("_") && !key.starts_with("unsloth_") && !is_off(value))
      fail(base::cat(key, " is not a key that this decoder knows; where it changes nothing, take it out"));
}

// ---- parts ----
void read_activation(ConfigReader& json, const char* key, Activation activation, DecoderConfig& config) {
  const std::string found = json.text_or(key, "");
  const bool gelu = activation == Activation::kGeluTanh;
  if (!found.empty() && found != (gelu ? "gelu_pytorch_tanh" : "silu"))
    json.refuse(key, found, gelu ? "gelu_pytorch_tanh" : "silu");
  config.activation = activation;
}

Rotary read_rotary(ConfigReader& json, const base::Json& object, const char* key, double theta, int64_t context) {
  ConfigReader rope(object, json.where(), key);
  Rotary r{.theta = rope.number_or("rope_theta", theta)};
  const std::string old_name = rope.text_or("type", "default"), type = rope.text_or("rope_type", old_name.c_str());
  if (type == "linear") {
    r.scaling = RotaryScaling::kLinear;
    if (!rope.find("factor")) rope.fail("rope_type is linear and there is no factor");
    r.factor = rope.number_or("factor", 1);
  } else if (type == "llama3") {
    read_llama3(rope, context, r);
  } else if (type == "yarn") {
    read_yarn(rope, context, r);
  } else if (type == "longrope") {
    read_longrope(rope, context, r);
  } else if (type != "default") {
    rope.refuse("rope_type", type, "rope_type default, linear, llama3, yarn and longrope with one list of factors");
  }
  if (rope.number_or("partial_rotary_factor", 1) != 1)
    rope.refuse("partial_rotary_factor", "not 1", "heads that turn whole");
  if (type == "default") rope.ignore({"factor", "original_max_position_embeddings"});
  rope.finish();
  return r;
}

void read_rope(ConfigReader& json, DecoderConfig& config) {
  const double theta = json.number_or("rope_theta", 10000);
  const base::Json *scaling = json.find("rope_scaling"), *parameters = json.find("rope_parameters");
  config.rotary = {.theta = theta};
  // Where both are there, the older one is what transformers goes by.
  if (scaling)
    config.rotary = read_rotary(json, *scaling, "rope_scaling", theta, config.context);
  else if (parameters)
    config.rotary = read_rotary(json, *parameters, "rope_parameters", theta, config.context);
  config.rope_theta = config.rotary.theta;
}

base::Json rotary_json(const Rotary& r) {
  base::Json json;
  json["rope_theta"] = r.theta;
  json["rope_type"] = scaling_name(r.scaling);
  if (r.scaling == RotaryScaling::kNone) return json;
  if (r.scaling == RotaryScaling::kDivisors) {
    json["short_factor"] = json["long_factor"] = base::Json::list(r.divisors);
    json["attention_factor"] = r.length;
    json["original_max_position_embeddings"] = r.original_context;
    return json;
  }
  json["factor"] = r.factor;
  if (r.scaling == RotaryScaling::kLinear) return json;
  const bool yarn = r.scaling == RotaryScaling::kYarn;
  json["original_max_position_embeddings"] = r.original_context;
  json[yarn ? "beta_slow" : "low_freq_factor"] = r.slow;
  json[yarn ? "beta_fast" : "high_freq_factor"] = r.fast;
  if (!yarn) return json;
  json["attention_factor"] = r.length;
  json["truncate"] = r.whole_bounds;
  return json;
}

void write_rope(const DecoderConfig& config, base::Json& json) {
  // transformers 5 reads rope_parameters, earlier ones rope_theta and rope_scaling.
  json["rope_theta"] = config.rope_theta;
  json["rope_parameters"] = rotary_json(config.full_rotary());
  if (config.rotary.scaling != RotaryScaling::kNone) json["rope_scaling"] = rotary_json(config.full_rotary());
}

bool read_layer_types(ConfigReader& json, DecoderConfig& config) {
  const base::Json* types = json.find("layer_types");
  if (!types) return false;
  if (!types->is_array() || static_cast<int64_t>(types->size()) != config.layers)
    json.fail(base::cat("layer_types must be a list of ", config.layers, ", one for each layer"));
  config.windowed.clear();
  for (const base::Json& type : types->as_array()) {
    const std::string name = type.is_string() ? type.as_string() : shown(type);
    if (name != "full_attention" && name != "sliding_attention")
      json.refuse("layer_types", name, "full_attention and sliding_attention");
    config.windowed.push_back(name == "sliding_attention");
  }
  return true;
}

base::Json layer_types_json(const DecoderConfig& config) {
  base::Json types = base::Json::array();
  for (int64_t l = 0; l < config.layers; ++l)
    types.push_back(config.is_windowed(l) ? "sliding_attention" : "full_attention");
  return types;
}

void read_upper_windows(ConfigReader& json, DecoderConfig& config) {
  // Absent, sliding_window stands for 4096; null says that there is no window, whatever use_sliding_window says.
  const bool has_window = !json.has("sliding_window") || json.find("sliding_window");
  const bool used = json.flag_or("use_sliding_window", false) && has_window;
  const int64_t window = json.integer_or("sliding_window", 4096), first = json.integer_or("max_window_layers", 28);
  config.window = used ? window : 0;
  if (!read_layer_types(json, config) && used)
    for (int64_t l = 0; l < config.layers; ++l) config.windowed.push_back(l >= first);
}

void write_upper_windows(const DecoderConfig& config, base::Json& json) {
  json["use_sliding_window"] = !config.windowed.empty();
  json["sliding_window"] = config.windowed.empty() ? base::Json() : base::Json(config.window);
  json["layer_types"] = layer_types_json(config);
}

// ---- the whole file ----
base::Json to_hf_json(const DecoderConfig& config) {
  const Family& family = find_family(config.family);
  base::Json json;
  json["architectures"] = base::Json::Array{family.architecture};
  json["model_type"] = family.name;
  json["vocab_size"] = config.vocab;
  json["hidden_size"] = config.width;
  json["num_hidden_layers"] = config.layers;
  json["num_attention_heads"] = config.heads;
  json["num_key_value_heads"] = config.kv_heads;
  json["head_dim"] = config.head_dim;
  json["intermediate_size"] = config.ffn;
  json["max_position_embeddings"] = config.context;
  family.write(config, json);
  json["tie_word_embeddings"] = config.tied;
  json["bos_token_id"] = id_json(config.bos_id);
  json["eos_token_id"] = config.eos_ids.size() == 1 ? base::Json(config.eos_ids[0]) : base::Json::list(config.eos_ids);
  if (config.eos_ids.empty()) json["eos_token_id"] = nullptr;
  json["pad_token_id"] = id_json(config.pad_id);
  json["torch_dtype"] = "float32";
  if (config.value_head) json["ponder_value_head"] = true;
  if (config.compute == "bf16") json["ponder_compute"] = config.compute;
  return json;
}

DecoderConfig from_hf_json(const base::Json& json, const std::string& where) {
  ConfigReader reader(json, where);
  if (!reader.find("model_type")) reader.fail("there is no model_type; a Hugging Face model has one");
  const std::string type = reader.text_or("model_type", "");
  const auto& families = all_families();
  const auto family = std::find_if(families.begin(), families.end(), [&](const Family& f) { return type == f.name; });
  if (family == families.end()) refuse_type(reader, type);
  reader.want_off({"quantization_config"}, "weights in f32, f16 and bf16");
  DecoderConfig config;
  config.family = type;
  read_sizes(reader, config);
  config.tied = reader.flag_or("tie_word_embeddings", false);
  family->read(reader, config);
  reader.ignore(kWithoutEffect);
  reader.finish();
  try {
    config.resolve();
  } catch (const Error& error) {
    throw Error(ErrorCode::kInput, error.message(), where);
  }
  return config;
}

void read_generation_json(const base::Json& json, const std::string& where, DecoderConfig& config) {
  ConfigReader reader(json, where);
  const auto checked = [&](int64_t id) {
    if (id < -1 || id >= config.vocab) reader.fail(base::cat("token ", id, " is not in 0 … ", config.vocab - 1));
    return id;
  };
  if (const auto ids = reader.integers("eos_token_id"); !ids.empty()) {
    config.eos_ids.clear();
    for (const int64_t id : ids)
      if (checked(id) >= 0) config.eos_ids.push_back(id);
  }
  if (config.bos_id < 0) config.bos_id = checked(reader.integer_or("bos_token_id", -1));
  if (config.pad_id < 0) config.pad_id = checked(reader.integer_or("pad_token_id", -1));
}

}  // namespace ponder::model
