#include "ponder/search/strategies.h"

#include <algorithm>

#include "ponder/search/algorithms.h"

namespace ponder::search {
namespace {

// kRun may take a base class of Options, so that one algorithm can stand in the table with several defaults.
template <class Options, auto kRun>
class Made : public Strategy {
 public:
  explicit Made(const char* name) : name_(name) {}
  std::string name() const override { return name_; }
  base::AnyOptions options() override { return options_; }
  core::Task<NodeId> run(Search& search) const override {
    search.reseed(options_.seed);
    return kRun(search, options_);
  }
  core::Task<NodeId> go_on(Search& search) const override { return kRun(search, options_); }
  void settle() override {
    if constexpr (requires { options_.settle(); }) options_.settle();
  }
  bool asks_second() const override {
    if constexpr (requires { options_.asks_second(); }) return options_.asks_second();
    return false;
  }

 private:
  const char* name_;
  Options options_;
};

struct Entry {
  const char* name;
  const char* help;
  std::unique_ptr<Strategy> (*make)(const char* name);
};

template <class Options, auto kRun>
std::unique_ptr<Strategy> make(const char* name) {
  return std::make_unique<Made<Options, kRun>>(name);
}

constexpr Entry kTable[] = {
    {"greedy", "the likeliest token each time", make<GreedyOptions, run_greedy>},
    {"sample", "one sample", make<SampleOptions, run_sample>},
    {"majority", "self-consistency: n samples, the answer that most of them claim",
     make<MajorityOptions, run_majority>},
    {"bon", "best of n samples by score, vote or weighted vote", make<BestOfNOptions, run_best_of_n>},
    {"reject", "samples that the critic cuts while they are written, up to the first answer it accepts",
     make<RejectOptions, run_reject>},
    {"first", "samples up to the first answer, judged by nobody", make<FirstOptions, run_reject>},
    {"agree", "samples up to the first answer claimed twice, judged by nobody", make<AgreeOptions, run_reject>},
    {"budget-force", "one sample whose thought is kept going when it wants to end, and ended when it is too long",
     make<BudgetForceOptions, run_budget_force>},
    {"revise", "answers written anew with feedback, n of them side by side", make<ReviseOptions, run_revise>},
    {"mctsr", "Monte Carlo tree search over whole answers, each a revision of the one above it",
     make<MctsrOptions, run_mctsr>},
    {"decompose", "least-to-most: simpler questions first, then the problem behind their answers",
     make<DecomposeOptions, run_decompose>},
    {"rstar", "rStar: tree search over five human-like actions, answers covered up and found again",
     make<RstarOptions, run_rstar>},
    {"rap", "RAP: tree search over questions and answers in a world that the model imagines",
     make<RapOptions, run_rap>},
    {"spec-reject", "best of n samples, of which the worst are cut while they are written",
     make<SpecRejectOptions, run_spec_reject>},
    {"beam", "step-level beam search: n draws a level, the best n / beam_width paths are kept",
     make<BeamOptions, run_beam>},
    {"lookahead", "beam search that scores a step after a few greedy steps more", make<LookaheadOptions, run_beam>},
    {"dvts", "n / beam_width independent trees, each goes on with the best of beam_width steps",
     make<DvtsOptions, run_dvts>},
    {"tot", "Tree of Thoughts: breadth-first or depth-first over states that a score or the model itself judges",
     make<TotOptions, run_tot>},
    {"best-first", "opens the path with the highest score, wherever it stands", make<BestFirstOptions, run_best_first>},
    {"a-star", "best-first by the path's own cost and what is left to expect", make<AStarOptions, run_best_first>},
    {"mcts", "Monte Carlo tree search over steps with PUCT", make<MctsOptions, run_mcts>},
    {"auto", "a few samples first; how well they agree decides which search gets the rest of the budget",
     make<AutoOptions, run_auto>},
};

std::string joined_names() {
  std::string names;
  for (const Entry& entry : kTable) names += (names.empty() ? "" : ", ") + std::string(entry.name);
  return names;
}

}  // namespace

std::vector<std::string> strategy_names() {
  std::vector<std::string> names;
  for (const Entry& entry : kTable) names.emplace_back(entry.name);
  return names;
}

std::unique_ptr<Strategy> make_strategy(const std::string& name) {
  for (const Entry& entry : kTable) {
    if (name == entry.name) return entry.make(entry.name);
  }
  const std::string nearest = base::nearest_name(name, strategy_names());
  throw Error(ErrorCode::kUsage, base::cat("unknown search \"", name, "\"; ",
                                           nearest.empty() ? "" : base::cat("did you mean \"", nearest, "\"? "),
                                           "available are ", joined_names()));
}

std::unique_ptr<Strategy> make_strategy(const std::string& name, const std::vector<std::string>& assignments) {
  auto strategy = make_strategy(name);
  for (const std::string& assignment : assignments) base::override_field(strategy->options(), assignment);
  strategy->settle();
  return strategy;
}

std::string strategies_help() {
  std::string help;
  for (const Entry& entry : kTable) {
    help += base::cat(entry.name, ": ", entry.help, "\n", base::fields_help(entry.make(entry.name)->options()), "\n");
  }
  return help;
}

}  // namespace ponder::search
