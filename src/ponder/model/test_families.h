// Tiny models of every family for tests: the configurations of tests/data/models, and weights from a formula that
// tests/reference/make_model_fixtures.py knows as well.
#pragma once
#include <ATen/ops/empty.h>

#include <cmath>
#include <string>
#include <vector>

#include "ponder/base/file.h"
#include "ponder/model/weights.h"

namespace ponder::model::test {

inline const std::vector<std::string>& family_cases() {
  static const std::vector<std::string> names = {
      "llama", "llama-wide-heads", "llama-linear", "llama-llama3",  "llama-yarn", "mistral",      "mistral-full",
      "qwen2", "qwen2-windows",    "qwen3",        "qwen3-windows", "gemma3",     "gemma3-linear"};
  return names;
}

inline base::Json read_case(const std::string& name) {
  const std::string path = "tests/data/models/" + name + ".json";
  return base::Json::parse(base::read_file(path), path);
}

inline uint64_t name_hash(const std::string& name) {  // FNV-1a
  uint64_t hash = 0xCBF29CE484222325;
  for (const char c : name) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001B3;
  return hash;
}

// splitmix64 (Steele et al. 2014) of the i-th state behind a name's hash.
inline uint64_t formula_bits(uint64_t hash, uint64_t i) {
  uint64_t z = hash + (i + 1) * 0x9E3779B97F4A7C15;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
  return z ^ (z >> 31);
}

inline Parameters formula_parameters(const DecoderConfig& config) {
  Parameters parameters{config, at::empty({config.parameter_count()}, at::kFloat)};
  for (const ParameterInfo& p : parameter_table(config)) {
    float* out = parameters.flat.mutable_data_ptr<float>() + p.offset;
    const bool norm = p.name.ends_with("norm.weight"), bias = p.name.ends_with(".bias");
    const bool embedding = p.name == "model.embed_tokens.weight";
    const auto start = static_cast<float>(norm ? 1 - config.norm_offset : 0);
    const double inputs = static_cast<double>(p.shape.back());
    const auto scale = static_cast<float>(norm ? 0.25 : bias ? 0.5 : embedding ? 1 : 1.5 / std::sqrt(inputs));
    const uint64_t hash = name_hash(p.name);
    for (int64_t i = 0; i < p.numel(); ++i) {
      const auto u = static_cast<float>(formula_bits(hash, static_cast<uint64_t>(i)) >> 40) / 0x1p23f - 1;
      out[i] = start + scale * u;
    }
  }
  return parameters;
}

inline Parameters family_model(const std::string& name, const char* compute = "f32") {
  DecoderConfig config = from_hf_json(read_case(name).at("config"), name);
  config.compute = compute;
  return formula_parameters(config);
}

}  // namespace ponder::model::test
