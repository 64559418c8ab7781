#include "ponder/model/load.h"

#include <ATen/ops/equal.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <functional>

#include "ponder/base/error.h"
#include "ponder/base/file.h"
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
  // The message of the error that loading the directory gives.
  std::string error() const {
    try {
      load_hf(directory_);
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
  save_hf(directory_, p, "");
  const auto part = [](bool first) {
    return [first](std::vector<store::TensorView>& tensors) {
      std::erase_if(tensors, [&](const auto& t) { return (t.name.find("layers.0") != std::string::npos) != first; });
    };
  };
  rewrite(p, "a.safetensors", part(true));
  rewrite(p, "b.safetensors", part(false));
  base::remove_all(path("model.safetensors"));
  base::write_file_atomic(path("model.safetensors.index.json"),
                          "{\"weight_map\": {\"x\": \"a.safetensors\", \"y\": \"b.safetensors\"}}");
  EXPECT_TRUE(at::equal(load_hf(directory_).parameters.flat, p.flat));
  base::write_file_atomic(path("model.safetensors.index.json"), "{\"weight_map\": {\"x\": \"../a.safetensors\"}}");
  EXPECT_NE(error().find("own directory"), std::string::npos) << error();
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
