// What tests of runs in words share: a "real" model, that is a Hugging Face directory with a byte-level tokenizer and
// drawn weights, so small that it learns a few word problems within seconds, and these problems.
#pragma once
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "ponder/base/log.h"
#include "ponder/base/stop.h"
#include "ponder/model/load.h"
#include "ponder/recipes/recipe.h"
#include "ponder/recipes/test_run.h"
#include "ponder/store/checkpoint.h"
#include "ponder/tasks/dataset.h"

namespace ponder::recipes {

// config.json, weights and tokenizer.json as they come from a hub.
inline std::string make_words_model() {
  constexpr const char* kFixture = "tests/data/tokenizers/gpt2.json";
  const std::string dir = fresh_dir("words_model");
  base::make_directories(dir);
  const base::Json tokenizer = base::Json::parse(base::read_file(kFixture), kFixture).at("tokenizer");
  model::DecoderConfig config;
  config.width = 48, config.layers = 2, config.heads = 3, config.kv_heads = 1, config.ffn = 96, config.context = 1024;
  config.vocab = 464;
  config.eos_ids = {450};
  config.resolve();
  model::save_hf(dir, model::make_parameters(config, {}, base::RngKey(3)), tokenizer.dump());
  return dir;
}

// SVAMP's format: sums and differences below ten.
inline std::string make_words_data() {
  const std::string dir = fresh_dir("words_data");
  base::make_directories(base::join_path(dir, "svamp"));
  base::Json rows = base::Json::array();
  const char* names[] = {"Tom", "Ann", "Bob", "Eve", "Max", "Mia"};
  const char* things[] = {"pens", "eggs", "cups", "nuts", "hats"};
  for (int i = 0; i < 420; ++i) {
    const int a = 1 + i % 7, b = 1 + i / 7 % 4;
    const bool adds = i % 2 == 0;
    base::Json row = base::Json::object();
    row["ID"] = base::cat("chal-", i);
    row["Body"] = base::cat(names[i % 6], " has ", adds ? a : a + b, " ", things[i % 5], " in box ", i, ".");
    row["Question"] = base::cat("How many after ", b, adds ? " more come?" : " go?");
    row["Equation"] = adds ? base::cat("( ", a, ".0 + ", b, ".0 )") : base::cat("( ", a + b, ".0 - ", b, ".0 )");
    row["Answer"] = static_cast<double>(adds ? a + b : a);
    rows.push_back(std::move(row));
  }
  base::write_file_atomic(base::join_path(dir, "svamp/SVAMP.json"), rows.dump());
  return dir;
}

class WordsRun : public testing::Test {
 protected:
  void SetUp() override {
    base::set_quiet(true), base::clear_stop();
    model_ = make_words_model(), data_ = make_words_data();
  }
  void TearDown() override {
    base::set_quiet(false), base::clear_stop();
    tasks::set_data_folder("");
  }
  Recipe recipe(std::vector<std::string> more = {}) const {
    std::vector<std::string> overrides = {"init.from=" + model_, "data=" + data_};
    overrides.insert(overrides.end(), more.begin(), more.end());
    return load_recipe("recipes/micro-words.yaml", overrides);
  }
  // The message with which such a recipe is refused.
  std::string error_of(std::vector<std::string> more) const {
    try {
      recipe(std::move(more));
    } catch (const Error& e) {
      return e.what();
    }
    return "no error";
  }
  std::string model_, data_;
};

// The newest checkpoint of a stage; "" when there is none.
inline std::string checkpoint_of(const std::string& dir, const std::string& stage) {
  return store::latest_checkpoint(base::join_path(base::join_path(dir, "checkpoints"), stage)).value_or("");
}

}  // namespace ponder::recipes
