// One options struct a strategy; names as in search-and-learn, TRL and the papers. Defaults fit a model of a million
// parameters whose steps are a dozen tokens long.
#pragma once
#include <cstdint>
#include <memory>
#include <string>

#include "ponder/base/fields.h"
#include "ponder/core/ports.h"
#include "ponder/search/search.h"

namespace ponder::search {

struct GreedyOptions {
  int64_t max_tokens = 192;
  int64_t seed = 0;
  void fields(base::Fields& f);
  core::SampleParams params() const;
};

struct SampleOptions {
  double temperature = 0.7;
  double top_p = 1.0;
  int64_t top_k = 0;
  double min_p = 0.0;
  int64_t max_tokens = 192;
  int64_t seed = 0;
  void fields(base::Fields& f);
  core::SampleParams params() const;
};

struct ManyOptions : SampleOptions {
  int64_t n = 0;
  void fields(base::Fields& f);
};

struct MajorityOptions : ManyOptions {
  std::string until = "n";
  double sure = 0.95;
  void fields(base::Fields& f);
};

// One choice at the end among whole answers.
struct ChosenOptions : SampleOptions {
  std::string select = "rm";
  std::string guide = "auto";
  double mix = 0.5;
  void fields(base::Fields& f);
};

struct BestOfNOptions : ManyOptions {
  std::string select = "wmaj";
  std::string guide = "auto";
  double mix = 0.5;
  void fields(base::Fields& f);
};

// What the searches that grow step by step share.
struct StepOptions : SampleOptions {
  int64_t step_tokens = 32;
  std::string select = "wmaj";
  std::string guide = "auto";
  double mix = 0.5;
  void fields(base::Fields& f);
  Growth growth() const;  // one step at a time, every step scored
};

struct RejectOptions : StepOptions {
  int64_t n = 0;
  int64_t round = 1;
  double accept = 0.5;
  double reject = 0.0;
  int64_t every = 64;
  int64_t votes = 0;
  void fields(base::Fields& f);
};

// Takes the first answer, unjudged: a control that reject's guide has to beat.
struct FirstOptions : RejectOptions {
  FirstOptions() { accept = 0, reject = 0, guide = "likelihood"; }
};

// Takes the first answer that was claimed twice: the control that votes.
struct AgreeOptions : RejectOptions {
  AgreeOptions() { accept = 2, reject = 0, votes = 2, guide = "likelihood", select = "maj"; }
};

struct BudgetForceOptions : SampleOptions {
  int64_t min_thought = 0;
  int64_t max_thought = 0;
  int64_t nudges = 1;
  int64_t answer_tokens = 32;
  int64_t step_tokens = 32;
  void fields(base::Fields& f);
  int64_t longest_thought() const;
};

struct ReviseOptions : ManyOptions {
  int64_t rounds = 0;
  std::string feedback = "self";
  double accept = 0.5;
  int64_t feedback_tokens = 64;
  std::string select = "last";
  std::string guide = "auto";
  double mix = 0.5;
  ReviseOptions() { n = 1; }
  void fields(base::Fields& f);
};

struct MctsrOptions : ChosenOptions {
  int64_t n = 1;
  int64_t sims = 0;
  int64_t width = 2;
  double c_uct = 1.4;
  std::string judge = "rate";
  int64_t rates = 1;
  int64_t rate_tokens = 8;
  int64_t feedback_tokens = 64;
  void fields(base::Fields& f);
};

struct DecomposeOptions : ChosenOptions {
  int64_t parts = 6;
  int64_t plan_tokens = 96;
  int64_t part_tokens = 64;
  int64_t passes = 0;
  DecomposeOptions() { select = "maj"; }
  void fields(base::Fields& f);
};

struct RstarOptions : SampleOptions {
  int64_t sims = 0;
  std::string actions = "12345";
  int64_t width = 3;
  int64_t rollouts = 2;
  int64_t parts = 3;
  double c_uct = 1.4;
  int64_t step_tokens = 32;
  int64_t question_tokens = 64;
  int64_t part_tokens = 64;
  int64_t checks = 0;
  int64_t finalists = 3;
  double reserve = 0.25;
  std::string select = "rm";
  void fields(base::Fields& f);
  bool asks_second() const { return reserve > 0; }
};

struct RapOptions : SampleOptions {
  int64_t sims = 0;
  int64_t width = 3;
  int64_t parts = 4;
  int64_t answers = 3;
  int64_t evals = 3;
  double alpha = 0.5;
  double c_uct = 1.4;
  int64_t question_tokens = 64;
  int64_t part_tokens = 64;
  int64_t eval_tokens = 8;
  std::string select = "wmaj";
  void fields(base::Fields& f);
};

struct SpecRejectOptions : ChosenOptions {
  int64_t n = 16;
  double alpha = 0.5;
  int64_t every = 64;
  int64_t passes = 0;
  void fields(base::Fields& f);
};

struct BeamOptions : StepOptions {
  int64_t n = 16;
  int64_t beam_width = 4;
  int64_t lookahead = 0;
  std::string agg_strategy = "last";
  bool filter_duplicates = true;
  int64_t passes = 0;
  void fields(base::Fields& f);
};

// Beam search that looks ahead (Snell et al. 2024, arXiv 2408.03314, §5.2); the same knobs as beam.
struct LookaheadOptions : BeamOptions {
  LookaheadOptions() { lookahead = 2; }
};

struct DvtsOptions : BeamOptions {};

struct TotOptions : StepOptions {
  std::string order = "bfs";
  int64_t n = 4;
  int64_t b = 5;
  std::string eval = "score";
  int64_t evals = 3;
  int64_t eval_tokens = 16;
  std::string keep = "best";
  double threshold = 0.02;
  int64_t answers = 1;
  int64_t passes = 0;
  TotOptions() { select = "auto"; }
  void fields(base::Fields& f);
};

struct BestFirstOptions : StepOptions {
  int64_t n = 4;
  int64_t sims = 0;
  int64_t width = 4;
  double cost = 0;
  std::string agg_strategy = "last";
  void fields(base::Fields& f);
};

// Best-first with the path's own cost: A*.
struct AStarOptions : BestFirstOptions {
  AStarOptions() { cost = 1, n = 1, select = "goal"; }
};

struct MctsOptions : StepOptions {
  int64_t sims = 0;
  int64_t width = 4;
  double widen = 0.5;
  std::string level = "step";
  std::string rule = "puct";
  int64_t parallel = 1;
  double c_uct = 1.4;
  double c_puct = 1.25;
  double c_base = 19652;
  double prior_temperature = 1.0;
  double noise = 0.0;
  double noise_alpha = 0.3;
  std::string leaf = "value";
  void fields(base::Fields& f);
  Growth growth() const;  // at the level that was asked for
};

struct AutoTable;

struct AutoOptions : SampleOptions {
  std::string table = "";
  int64_t probe = 4;
  std::string signal = "agreement";
  double easy_at = 1.0;
  double hard_at = 0.5;
  std::string easy = "stop";
  std::string middle = "bon";
  std::string hard = "bon";
  int64_t step_tokens = 32;
  std::string guide = "auto";
  double mix = 0.5;
  std::shared_ptr<const AutoTable> learned = {};  // what stands in the table, once it is settled
  void fields(base::Fields& f);
  void settle();             // reads the table; the errors of read_auto_table(), Error(kUsage) beside what it says
  bool asks_second() const;  // whether one of its searches does
};

}  // namespace ponder::search
