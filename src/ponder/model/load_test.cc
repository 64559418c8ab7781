#include "ponder/model/load.h"

#include <ATen/ops/equal.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <functional>
#include <limits>
#include <map>

#include "ponder/base/error.h"
#include "ponder/base/file.h"
#include "ponder/store/quant.h"
#include "ponder/store/safetensors.h"

namespace ponder::model {
namespace {

class Load : public testing::Test {
 protected:
  void SetUp() override {
    directory_ = base::cat(testing::TempDir(), "ponder_load_", static_cast<int64_t>(getpid()));
    base::make_directories(directory_);
  }
  void TearDown() override { base::remove_all(directory_); }
  std::string path(const char* name) const { return base::join_path(directory_, name); }

  static Parameters small_model(bool tied, bool value_head) {
    DecoderConfig c;
    c.width = 32, c.layers = 2, c.heads = 2, c.kv_heads = 1, c.head_dim = 16, c.ffn = 48, c.vocab = 20;
    c.tied = tied, c.value_head = value_head, c.eos_ids = {3}, c.pad_id = 0;
    c.resolve();
    return make_parameters(c, {}, base::RngKey(9));
  }
  static float& weight(const Parameters& p, const std::string& tensor, int64_t i) {
    for (const ParameterInfo& t : parameter_table(p.config))
      if (t.name == tensor) return p.flat.mutable_data_ptr<float>()[t.offset + i];
    throw Error(ErrorCode::kInternal, tensor);
  }
  // The message of the error that loading the directory gives.
  std::string error(const LoadOptions& options = {}) const {
    try {
      load_hf(directory_, options);
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::kInput);
      return e.what();
    }
    return "no error";
  }
  // Writes the model's tensors again after `change` had its way with them.
  void rewrite(const Parameters& p, const char* file,
               const std::function<void(std::vector<store::TensorView>&)>& change) {
    std::vector<store::TensorView> tensors;
    for (const auto& t : parameter_table(p.config))
      tensors.push_back({t.name, "F32", t.shape, p.flat.const_data_ptr<float>() + t.offset});
    change(tensors);
    store::write_safetensors(path(file), tensors);
  }
  // All tensors in one file of that type, with some weights' bits set.
  struct Bits {
    std::string tensor;
    std::vector<int64_t> place;
    uint32_t bits;
  };
  void write_as(const Parameters& p, const char* dtype, const std::vector<Bits>& set) {
    const store::GgmlTypeInfo& type = *store::find_ggml_type(std::string_view(dtype));
    const auto width = static_cast<size_t>(type.block_bytes);
    std::vector<std::vector<char>> data;
    std::vector<store::TensorView> tensors;
    for (const ParameterInfo& t : parameter_table(p.config)) {
      data.emplace_back(static_cast<size_t>(t.numel()) * width);
      ASSERT_TRUE(store::quantize(type.type, p.flat.const_data_ptr<float>() + t.offset, data.back().data(), t.numel()));
      for (const Bits& b : set) {
        if (b.tensor != t.name) continue;
        const int64_t at = t.shape.size() == 1 ? b.place[0] : b.place[0] * t.shape[1] + b.place[1];
        std::memcpy(data.back().data() + static_cast<size_t>(at) * width, &b.bits, width);
      }
      tensors.push_back({t.name, dtype, t.shape, data.back().data()});
    }
    store::write_safetensors(path("model.safetensors"), tensors);
  }
  void write_index(const std::map<std::string, std::string>& files) {
    base::Json json = base::Json::object();
    for (const auto& [tensor, file] : files) json["weight_map"][tensor] = file;
    base::write_file_atomic(path("model.safetensors.index.json"), json.dump());
  }
  // The model in two files, layer 0 in a.safetensors and the rest in b.safetensors; what its index says.
  std::map<std::string, std::string> split(const Parameters& p) {
    save_hf(directory_, p, "");
    base::remove_all(path("model.safetensors"));
    std::map<std::string, std::string> files;
    for (const ParameterInfo& t : parameter_table(p.config))
      files[t.name] = t.name.find("layers.0") != std::string::npos ? "a.safetensors" : "b.safetensors";
    for (const char* file : {"a.safetensors", "b.safetensors"})
      rewrite(p, file, [&](auto& tensors) { std::erase_if(tensors, [&](auto& t) { return files[t.name] != file; }); });
    write_index(files);
    return files;
  }
  std::string directory_;
};

TEST_F(Load, AModelRemembersWhatItComputesIn) {
  for (const char* compute : {"f32", "bf16"}) {
    Parameters p = small_model(true, false);
    p.config.compute = compute;
    save_hf(directory_, p, "");
    EXPECT_EQ(load_hf(directory_).parameters.config, p.config);
  }
}

TEST_F(Load, GivesBackWhatWasSaved) {
  for (const bool tied : {true, false})
    for (const bool value_head : {true, false}) {
      const Parameters p = small_model(tied, value_head);
      save_hf(directory_, p, "{\"some\": \"tokenizer\"}");
      const LoadedModel loaded = load_hf(directory_);
      EXPECT_EQ(loaded.parameters.config, p.config);
      EXPECT_TRUE(at::equal(loaded.parameters.flat, p.flat));
      EXPECT_EQ(loaded.tokenizer_json, "{\"some\": \"tokenizer\"}");
    }
}

TEST_F(Load, ReadsHalfPrecision) {
  const Parameters p = small_model(true, false);
  save_hf(directory_, p, "");
  const std::vector<uint16_t> half(32, 0xC100), bfloat(32, 0xC020);  // −2.5 each
  rewrite(p, "model.safetensors", [&](auto& tensors) {
    for (auto& t : tensors) {
      if (t.name == "model.norm.weight") t.dtype = "F16", t.data = half.data();
      if (t.name == "model.layers.0.input_layernorm.weight") t.dtype = "BF16", t.data = bfloat.data();
    }
  });
  const LoadedModel loaded = load_hf(directory_);
  const auto w = weight_views(loaded.parameters.config, loaded.parameters.flat);
  EXPECT_EQ(w.final_norm.max().item<float>(), -2.5f);
  EXPECT_EQ(w.layers[0].attn_norm.max().item<float>(), -2.5f);
  EXPECT_EQ(w.layers[1].attn_norm.max().item<float>(), 1.0f);
}

TEST_F(Load, ReadsASplitModel) {
  const Parameters p = small_model(true, false);
  split(p);
  EXPECT_TRUE(at::equal(load_hf(directory_).parameters.flat, p.flat));
}

// What store/shards_test.cc has in full: a model is loaded by that reader.
TEST_F(Load, ShardsAndTheirIndexMustAgree) {
  const Parameters p = small_model(true, false);
  const std::map<std::string, std::string> right = split(p);
  const auto error_with = [&](const char* tensor, const char* file) {
    auto map = right;
    map[tensor] = file;
    write_index(map);
    return error();
  };
  EXPECT_NE(error_with("x", "a.safetensors").find("a.safetensors holds the tensor \"x\"; it does not"),
            std::string::npos)
      << error();
  EXPECT_NE(error_with("model.norm.weight", "a.safetensors").find("it does not"), std::string::npos) << error();
  EXPECT_NE(error_with("x", "c.safetensors").find("names the file c.safetensors, which is not in"), std::string::npos)
      << error();
  EXPECT_NE(error_with("x", "../a.safetensors").find("in the same directory"), std::string::npos) << error();
  // In both, with other numbers in the second: neither may win in silence.
  write_index(right);
  const std::vector<float> other(32, 7);
  rewrite(p, "b.safetensors", [&](auto& tensors) {
    std::erase_if(tensors, [](const auto& t) {
      return t.name.find("layers.0") != std::string::npos && t.name != "model.layers.0.input_layernorm.weight";
    });
    for (auto& t : tensors)
      if (t.name == "model.layers.0.input_layernorm.weight") t.data = other.data();
  });
  EXPECT_NE(error().find("\"model.layers.0.input_layernorm.weight\" stands in "), std::string::npos) << error();
}

TEST_F(Load, PicklesAreNamedAndNotRead) {
  save_hf(directory_, small_model(true, false), "");
  base::remove_all(path("model.safetensors"));
  EXPECT_NE(error().find("holds neither model.safetensors nor"), std::string::npos) << error();
  base::write_file_atomic(path("pytorch_model.bin"), "PK");
  EXPECT_NE(error().find("as pickles (pytorch_model.bin)"), std::string::npos) << error();
  EXPECT_NE(error().find("save_pretrained"), std::string::npos) << error();
}

// In every type, kind of tensor and way to hold a model, the one weight that is none is named with its place.
TEST_F(Load, AWeightThatIsNoNumberIsAnError) {
  struct Bad {
    const char* dtype;
    std::vector<uint32_t> bits;
  };
  const Bad kBad[] = {{"F32", {0x7FC00000, 0x7F800000, 0xFF800000, 0x7F800001}},
                      {"F16", {0x7E00, 0x7C00, 0xFC00, 0x7C01}},
                      {"BF16", {0x7FC0, 0x7F80, 0xFF80, 0x7F81}}};
  const std::pair<const char*, std::vector<int64_t>> kPlaces[] = {{"model.embed_tokens.weight", {19, 31}},
                                                                  {"model.layers.1.mlp.down_proj.weight", {3, 40}},
                                                                  {"model.layers.0.self_attn.v_proj.weight", {0, 0}},
                                                                  {"model.norm.weight", {17}},
                                                                  {"lm_head.weight", {2, 30}}};
  std::vector<LoadOptions> ways = {Hold::kTrainable, Hold::kReadOnly};
  for (const WeightType type : {WeightType::kF32, WeightType::kBf16, WeightType::kQ8_0, WeightType::kQ4_0})
    ways.emplace_back(Hold::kReadOnly).weights = type;
  for (const bool tied : {true, false}) {
    const Parameters p = small_model(tied, false);
    save_hf(directory_, p, "");
    for (const auto& [dtype, all_bits] : kBad)
      for (const auto& [name, place] : kPlaces) {
        if (tied && name == std::string("lm_head.weight")) continue;
        for (const uint32_t bits : all_bits) {
          write_as(p, dtype, {{name, place, bits}});
          for (const LoadOptions& way : ways) {
            const std::string found = error(way);
            EXPECT_NE(found.find(path("model.safetensors")), std::string::npos) << found;
            std::string says = base::cat("tensor \"", name, "\" holds a weight that is NaN or infinite at [", place[0]);
            says += place.size() > 1 ? base::cat(",", place[1], "]") : "]";
            EXPECT_NE(found.find(says), std::string::npos)
                << dtype << " " << bits << " " << static_cast<int>(way.weights) << ": " << found;
          }
          EXPECT_EQ(error(Hold::kNothing), "no error") << "no weight is read";
        }
      }
    for (const Bad& type : kBad) {
      write_as(p, type.dtype, {});
      for (const LoadOptions& way : ways) EXPECT_EQ(error(way), "no error") << type.dtype;
    }
  }
}

TEST_F(Load, AnInfinityInAShardIsNamedWithItsFile) {
  const Parameters p = small_model(true, false);
  weight(p, "model.layers.0.input_layernorm.weight", 5) = -std::numeric_limits<float>::infinity();
  split(p);
  for (const Hold hold : {Hold::kTrainable, Hold::kReadOnly}) {
    const std::string found = error(hold);
    EXPECT_NE(found.find(path("a.safetensors")), std::string::npos) << found;
    EXPECT_NE(found.find("model.layers.0.input_layernorm.weight"), std::string::npos) << found;
  }
}

TEST_F(Load, AWeightBeyondBf16IsNoInfinity) {
  const Parameters p = small_model(true, false);
  weight(p, "model.layers.0.mlp.down_proj.weight", 3) = std::numeric_limits<float>::max();
  save_hf(directory_, p, "");
  LoadOptions options = Hold::kReadOnly;
  EXPECT_EQ(error(options), "no error");
  options.weights = WeightType::kBf16;
  EXPECT_NE(error(options).find("a weight is too large for bf16"), std::string::npos) << error(options);
}

TEST_F(Load, NamesAndShapesAreCheckedWithoutTheWeights) {
  const Parameters p = small_model(true, false);
  save_hf(directory_, p, "");
  const LoadedModel described = load_hf(directory_, Hold::kNothing);
  EXPECT_EQ(described.parameters.config, p.config);
  EXPECT_FALSE(described.parameters.flat.defined());
  EXPECT_EQ(described.parameters.read_only, nullptr);
  rewrite(p, "model.safetensors", [](auto& tensors) { tensors.pop_back(); });
  EXPECT_NE(error(Hold::kNothing).find("lack model.norm.weight [32]"), std::string::npos);
  rewrite(p, "model.safetensors", [](auto& tensors) { tensors.back().shape = {16}; });
  EXPECT_NE(error(Hold::kNothing).find("is [16]; config.json says [32]"), std::string::npos);
}

TEST_F(Load, SaysWhatIsWrongWithTheWeights) {
  const Parameters p = small_model(true, false);
  save_hf(directory_, p, "");
  const auto broken = [&](const std::function<void(std::vector<store::TensorView>&)>& change) {
    rewrite(p, "model.safetensors", change);
    return error();
  };
  EXPECT_NE(broken([](auto& t) { t.pop_back(); }).find("lack model.norm.weight [32]"), std::string::npos);
  EXPECT_NE(broken([](auto& t) { t.back().shape = {16}; }).find("model.norm.weight is [16]; config.json says [32]"),
            std::string::npos);
  EXPECT_NE(broken([](auto& t) { t.push_back({"odd", "F32", {1}, t[0].data}); }).find("hold odd"), std::string::npos);
  EXPECT_NE(broken([](auto& t) { t.back().dtype = "I32"; }).find("dtype I32"), std::string::npos);
  // A head that repeats a tied embedding is no error.
  EXPECT_EQ(broken([](auto& t) { t.push_back({"lm_head.weight", "F32", t[0].shape, t[0].data}); }), "no error");
}

TEST_F(Load, NamesTheMissingFile) { EXPECT_NE(error().find("config.json"), std::string::npos); }

}  // namespace
}  // namespace ponder::model
