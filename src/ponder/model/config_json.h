// Reading a config.json so that nothing in it is overlooked: keys are asked for by name, and what nobody asked for is
// an error at the end, unless it is known to leave the result as it is. For family_*.cc and config_json.cc, and for
// adapter.cc, whose adapter_config.json is read in the same way.
#pragma once
#include <set>
#include <string>

#include "ponder/base/json.h"
#include "ponder/model/config.h"

namespace ponder::model {

class ConfigReader {
 public:
  // part: the key whose object this is, for messages; "" for the whole file.
  ConfigReader(const base::Json& json, std::string where, const std::string& part = "");

  // Null counts as absent. Each throws Error(kInput) that names the key and the type wanted.
  const base::Json* find(const char* key);
  bool has(const char* key) const { return json_.find(key) != nullptr; }  // even when it is null
  int64_t integer(const char* key);                                       // must be there
  int64_t integer_or(const char* key, int64_t missing);
  double number(const char* key);  // must be there
  double number_or(const char* key, double missing);
  bool flag_or(const char* key, bool missing);
  std::string text_or(const char* key, const char* missing);
  std::vector<int64_t> integers(const char* key);  // one or a list; empty when absent

  // Error(kInput) "key is found; this decoder computes <computed>".
  [[noreturn]] void refuse(const std::string& key, const std::string& found, const std::string& computed) const;
  [[noreturn]] void fail(const std::string& message) const;
  // Each of the keys must be absent or off: null, false, 0, an empty list or object.
  void want_off(std::initializer_list<const char*> keys, const char* computed);
  void ignore(std::initializer_list<const char*> keys);  // read by nobody, and nothing follows from it
  void finish() const;  // Error(kInput) names a key that nobody asked for and that is not off
  const std::string& where() const { return where_; }

 private:
  const base::Json& json_;
  std::string where_, part_;
  std::set<std::string, std::less<>> asked_;
};

// ---- parts that several families have in common ----
// hidden_act or the given key must name the activation.
void read_activation(ConfigReader& json, const char* key, Activation activation, DecoderConfig& config);
// rope_theta and rope_scaling (transformers 4) or rope_parameters (5).
void read_rope(ConfigReader& json, DecoderConfig& config);
void write_rope(const DecoderConfig& config, base::Json& json);
// One rope_scaling or rope_parameters object; theta is what it does not say. key names it in errors.
tensor::Rotary read_rotary(ConfigReader& json, const base::Json& object, const char* key, double theta,
                           int64_t context);
base::Json rotary_json(const tensor::Rotary& rotary);
// layer_types, a list of full_attention and sliding_attention, into config.windowed; false when it is absent.
bool read_layer_types(ConfigReader& json, DecoderConfig& config);
base::Json layer_types_json(const DecoderConfig& config);
// Qwen's use_sliding_window, sliding_window, max_window_layers or layer_types.
void read_upper_windows(ConfigReader& json, DecoderConfig& config);
void write_upper_windows(const DecoderConfig& config, base::Json& json);

}  // namespace ponder::model
