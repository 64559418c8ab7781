// A study: one recipe run with several seeds and in several arms (controls, variants), and what all of it together
// says. `ponder run STUDY.yaml` runs or resumes it; every single run is an ordinary run directory.
//
//   study: laptop-study
//   base: laptop.yaml                 # beside the study's file
//   seeds: [1, 2, 3]
//   arms:                             # overrides of the base recipe, as on the command line
//     main: []
//     shuffled: ["stages=[pretrain,sft,rl,report]", rl.shuffle_rewards=yes]
//   compare:                          # a − b on the same problems of the same seed
//     - {name: gain of RL, task: countdown4, a: main rl greedy, b: main sft greedy}
//     - {name: search, task: countdown4, a: main rl reject@2048, b: main rl majority@1024, equal_tokens: true}
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "ponder/base/json.h"
#include "ponder/recipes/recipe.h"

namespace ponder::recipes {

struct Study {
  struct Arm {
    std::string name;
    std::vector<std::string> overrides;
  };
  // Whose answers: an arm, a model of it ("sft", "rl"), a strategy and its budget in tokens (0: none).
  struct Subject {
    std::string arm, model, strategy;
    int64_t budget = 0;
  };
  struct Comparison {
    std::string name, task;
    Subject a, b;
    bool equal_tokens = false;  // refused when a spends more tokens a problem than b, policy and critic together
  };
  std::string name, base;
  std::vector<int64_t> seeds;
  std::vector<Arm> arms;  // the first one lends the others what they have in common with it
  std::vector<Comparison> compare;
};

bool is_study(const std::string& path);     // does the file have the key "study"?
Study load_study(const std::string& path);  // Error(kUsage, …, "file:line")
Recipe arm_recipe(const Study& study, const Study::Arm& arm, int64_t seed, const std::vector<std::string>& overrides);

// Runs what is not finished in DIR/ARM-SEED, then writes DIR/study.json. Stages pretrain and sft that an arm has in
// common with the first arm are copied, not run twice: they would end in the same bits. overrides go to every run.
void run_study(const Study& study, const std::vector<std::string>& overrides, const std::string& dir);

// What the finished runs say together: accuracies, comparisons and probes over seeds. Intervals hold seeds and
// problems.
base::Json study_json(const Study& study, const std::vector<std::string>& overrides, const std::string& dir);
std::string study_table(const base::Json& study);

}  // namespace ponder::recipes
