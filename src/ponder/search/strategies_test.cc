#include "ponder/search/strategies.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace ponder::search {
namespace {

TEST(Strategies, SomeAskASecondModel) {
  EXPECT_TRUE(make_strategy("rstar")->asks_second());
  EXPECT_FALSE(make_strategy("rstar", {"reserve=0"})->asks_second()) << "nothing is covered up";
  EXPECT_FALSE(make_strategy("mcts")->asks_second());
  EXPECT_FALSE(make_strategy("auto")->asks_second());
  EXPECT_TRUE(make_strategy("auto", {"hard=rstar sims=8"})->asks_second());
  EXPECT_FALSE(make_strategy("auto", {"hard=rstar reserve=0"})->asks_second());
}

std::string error_of(const std::string& name, const std::vector<std::string>& options = {}) {
  try {
    make_strategy(name, options);
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kUsage);
    return e.what();
  }
  return "";
}

TEST(Strategies, EveryNameOfTheTableCanBeMade) {
  const auto names = strategy_names();
  for (const char* name :
       {"greedy", "sample", "majority", "bon",   "beam", "dvts",  "lookahead", "mcts",      "best-first",   "reject",
        "first",  "agree",  "tot",      "rstar", "rap",  "mctsr", "revise",    "decompose", "budget-force", "auto"}) {
    EXPECT_NE(std::ranges::find(names, name), names.end()) << name;
  }
  for (const auto& name : names) EXPECT_EQ(make_strategy(name)->name(), name);
}

TEST(Strategies, ATypoIsMetWithTheNearestName) {
  EXPECT_NE(error_of("majorty").find("did you mean \"majority\""), std::string::npos);
}

TEST(Strategies, OptionsAreCheckedAndRoundTrip) {
  const auto strategy = make_strategy("beam", {"n=32", "beam_width=8", "agg_strategy=prod", "top_p=0.9", "seed=4"});
  const std::string yaml = base::to_yaml(strategy->options());
  for (const char* line : {"n: 32", "beam_width: 8", "agg_strategy: prod", "top_p: 0.9", "seed: 4"}) {
    EXPECT_NE(yaml.find(line), std::string::npos) << line << "\n" << yaml;
  }
  EXPECT_NE(error_of("beam", {"beam_widht=8"}).find("beam_width"), std::string::npos);
  EXPECT_NE(error_of("beam", {"n=0"}), "");
  EXPECT_NE(error_of("bon", {"select=best"}).find("wmaj"), std::string::npos);
}

TEST(Strategies, HelpNamesEverySearchAndItsKnobs) {
  const std::string help = strategies_help();
  for (const auto& name : strategy_names()) EXPECT_NE(help.find(name + ":"), std::string::npos) << name;
  for (const char* knob : {"c_puct", "sims", "beam_width", "lookahead", "agg_strategy", "temperature", "top_p"}) {
    EXPECT_NE(help.find(knob), std::string::npos) << knob;
  }
}

}  // namespace
}  // namespace ponder::search
