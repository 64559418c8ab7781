#include "ponder/learn/loss_command.h"

#include <gtest/gtest.h>

#include "ponder/base/error.h"

namespace ponder::learn {
namespace {

// Rewards less their batch mean, and a record of what was asked for.
struct FakeAdvantages {
  std::string estimator;
  double eps = 0;
  std::vector<int64_t> groups;
  AdvantageFunction function() {
    return [this](const std::string& name, double e, std::span<const double> rewards, std::span<const int64_t> g) {
      estimator = name, eps = e, groups.assign(g.begin(), g.end());
      double mean = 0;
      for (double r : rewards) mean += r / static_cast<double>(rewards.size());
      std::vector<double> out;
      for (double r : rewards) out.push_back(r - mean);
      return out;
    };
  }
};

base::Json evaluate(const std::string& algo, const std::string& json) {
  FakeAdvantages advantages;
  return evaluate_loss(algo, base::Json::parse(json), advantages.function());
}

// "key: message" of the error that a bad input gives.
std::string error_of(const std::string& algo, const std::string& json) {
  try {
    evaluate(algo, json);
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

TEST(LossCommand, GrpoWithGroupsMaskAndOptions) {
  FakeAdvantages advantages;
  const auto out = evaluate_loss("grpo", base::Json::parse(R"({
      "logp": [[-1, -2, -1], [-1, -1, -3]], "logp_old": [[-1, -2, -1], [-1, -1, -3]], "logp_ref": [[-1, -2, -1], [-1, -1, -3]],
      "mask": [[1, 1, 0], [1, 1, 1]], "rewards": [1, 0], "groups": [4, 4], "options": {"clip": 0.2, "beta": 0.04, "eps": 0.5}})"),
                                 advantages.function());
  EXPECT_EQ(advantages.estimator, "grpo");
  EXPECT_EQ(advantages.eps, 0.5);
  EXPECT_EQ(advantages.groups, (std::vector<int64_t>{4, 4}));
  EXPECT_NEAR(out.at("loss").as_double(), 0, 1e-12);
  EXPECT_EQ(out.at("advantages").dump(), "[0.5,-0.5]");
  const auto& gradient = out.at("grad_logp").as_array();
  EXPECT_NEAR(gradient[0].as_array()[0].as_double(), -0.5 / 4, 1e-12);
  EXPECT_EQ(gradient[0].as_array()[2].as_double(), 0);
  EXPECT_NEAR(gradient[1].as_array()[2].as_double(), 0.5 / 6, 1e-12);
  EXPECT_EQ(out.at("clip_fraction").as_double(), 0);
  EXPECT_EQ(out.at("kl").as_double(), 0);
}

TEST(LossCommand, EveryLossAnswersWithItsShape) {
  const std::string input =
      R"({"logp": [[-1, -0.5], [-2]], "logp_old": [[-1, -0.6], [-2]], "logp_ref": [[-1, -0.4], [-1]],
      "rewards": [1, 0], "groups": [0, 0], "chosen": [0], "rejected": [1]})";
  for (const char* name : {"sft", "reinforce", "rloo", "reinforce++", "ppo", "grpo", "dr_grpo", "dapo", "gspo", "cispo",
                           "dpo", "cdpo", "ipo", "bt", "orm", "prm"}) {
    const auto out = evaluate(name, input);
    EXPECT_TRUE(out.at("loss").is_number()) << name;
    ASSERT_EQ(out.at("grad_logp").size(), 2u) << name;
    EXPECT_EQ(out.at("grad_logp").as_array()[0].size(), 2u) << name;
    EXPECT_EQ(out.at("grad_logp").as_array()[1].size(), 1u) << name;
  }
}

TEST(LossCommand, GivenAdvantagesAreUsedAsTheyAre) {
  const auto rows = evaluate("reinforce", R"({"logp": [[-1, -2], [-3]], "advantages": [2, -1]})");
  EXPECT_NEAR(rows.at("loss").as_double(), (2 * 3 - 3) / 2.0, 1e-12);
  const auto tokens = evaluate("reinforce", R"({"logp": [[-1, -2], [-3]], "advantages": [[2, 0], [-1]]})");
  EXPECT_NEAR(tokens.at("loss").as_double(), (2 - 3) / 2.0, 1e-12);
  EXPECT_EQ(tokens.at("advantages").dump(), "[[2,0],[-1]]");
  EXPECT_TRUE(tokens.at("kl").is_null());
}

TEST(LossCommand, ScoresOfRewardModels) {
  const auto orm = evaluate("orm", R"({"scores": [0, 0], "labels": [1, 0]})");
  EXPECT_NEAR(orm.at("loss").as_double(), 0.6931471805599453, 1e-12);
  const auto prm = evaluate("prm", R"({"scores": [[0, 5]], "labels": [[0.5, 1]], "mask": [[1, 0]]})");
  EXPECT_NEAR(prm.at("loss").as_double(), 0.6931471805599453, 1e-12);
  const auto bt = evaluate("bt", R"({"scores": [2, 1], "chosen": [0], "rejected": [1]})");
  EXPECT_NEAR(bt.at("loss").as_double(), 0.31326168751822286, 1e-12);
  EXPECT_EQ(bt.at("accuracy").as_double(), 1);
}

TEST(LossCommand, ErrorsNameTheKeyAndWhatWouldBeRight) {
  EXPECT_EQ(error_of("grpo", R"({"logp": [[-1]], "reward": [1]})"), "reward: unknown key; did you mean \"rewards\"?");
  EXPECT_EQ(error_of("grpo", R"({"logp": [[-1]], "rewards": [1, 2]})"),
            "rewards: expected 1 numbers, one a row, got 2");
  EXPECT_EQ(error_of("grpo", R"({"logp": [[-1], [-1]], "rewards": [1, 2], "groups": [0]})"),
            "groups: expected 2 numbers, one a row, got 1");
  EXPECT_EQ(error_of("grpo", R"({"logp": [[-1, "x"]], "rewards": [1]})"), "logp[0][1]: expected a number, got string");
  EXPECT_EQ(error_of("grpo", R"({"logp": [[-1, -2]], "mask": [[1]], "rewards": [1]})"),
            "mask[0]: expected 2 numbers as in logp, got 1");
  EXPECT_EQ(error_of("grpo", R"({"logp": [[-1]], "rewards": [1], "options": {"beta": 1}})"),
            "logp_ref: beta > 0 needs a reference's log-probs");
  EXPECT_EQ(error_of("dpo", R"({"logp": [[-1], [-1]], "logp_ref": [[-1], [-1]], "chosen": [0], "rejected": [2]})"),
            "rejected: row 2 does not exist; rows run from 0 to 1");
  EXPECT_EQ(error_of("prm", R"({"scores": [1], "labels": [2]})"),
            "labels: label 2 is out of range; labels must be between 0 and 1");
  EXPECT_NE(
      error_of("grpo", R"({"logp": [[-1]], "rewards": [1], "options": {"clpi": 1}})").find("did you mean \"clip\""),
      std::string::npos);
  for (const char* bad :
       {"[]", "{}", R"({"logp": []})", R"({"logp": 1})", R"({"logp": null})", R"({"logp": [[-1]]})"}) {
    EXPECT_NE(error_of("grpo", bad), "no error") << bad;
  }
}

}  // namespace
}  // namespace ponder::learn
