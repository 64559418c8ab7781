// The rows of metrics.jsonl: everything that a run leaves for its report. Recipes write them with to_json(),
// read_rows() gives them back; reports are made from rows alone. A row is one JSON object whose "kind" names the
// struct. Where a row is written twice (a stage that was resumed) the later one counts.
#pragma once
#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "ponder/base/json.h"
#include "ponder/eval/statistics.h"

namespace ponder::eval {

inline constexpr double kNotMeasured = std::numeric_limits<double>::quiet_NaN();  // written as null

// "run": once, at the start.
struct RunRow {
  std::string name;  // the recipe's
  int64_t seed = 0;
  std::string config_hash;  // hex64(fields_hash(options))
  std::string version;      // of ponder
  std::string device;       // "cpu", the name of the GPU
  int64_t threads = 0;
  int64_t parameters = 0;  // of the policy
};

// "ledger": what a stage has cost so far, all its interruptions included.
struct LedgerRow {
  std::string stage;
  double seconds = 0;
  int64_t tokens = 0;  // that ran through a model
  double flops = 0;
  double energy_wh = kNotMeasured;
};

// "train": a step of imitation or of the critic.
struct TrainRow {
  std::string stage;
  int64_t step = 0;
  int64_t tokens = 0;  // in this stage so far
  double loss = kNotMeasured, grad_norm = kNotMeasured, lr = kNotMeasured;
  double tokens_per_second = kNotMeasured;
  double label_std = kNotMeasured;  // critics: standard deviation of the step's labels
};

// "rl": a step of reinforcement learning.
struct RlRow {
  std::string stage = "rl";
  int64_t step = 0;
  int64_t tokens = 0;                // in this stage so far, sampled and trained
  int64_t policy_version = -1;       // optimizer steps behind the weights that this step trained; −1 = not measured
  double reward = kNotMeasured;      // mean over the step's samples
  double reward_std = kNotMeasured;  // over the step's samples
  double kl = kNotMeasured;          // to the reference policy, nats a token
  double entropy = kNotMeasured;     // nats a token
  double length = kNotMeasured;      // mean tokens of a sample
  double grad_norm = kNotMeasured, clip_fraction = kNotMeasured, lr = kNotMeasured;
  double logp_gap = kNotMeasured;     // largest |log-prob of the sampler − of the trainer|
  double groups_kept = kNotMeasured;  // share of groups with unequal rewards
  double truncated = kNotMeasured;    // share of samples cut off
  double ended = kNotMeasured;        // share of samples that wrote the end token
  double unparsable = kNotMeasured;   // share that ended, and neither gave an answer that can be read nor gave up
  double stale = kNotMeasured;        // share of samples that other weights wrote than those that the step trained
  double loss = kNotMeasured;
  double tokens_per_second = kNotMeasured;
};

// "accuracy": greedy accuracy of one task at one point of training. tokens, flops and seconds are what training has
// cost up to this point, all stages before it included, so that the rows of a run lie on one axis.
struct AccuracyRow {
  std::string stage;
  std::string task;
  std::string split = "test";
  int64_t step = 0;
  int64_t tokens = 0;
  double flops = 0;
  double seconds = 0;
  Estimate accuracy = {};
  double thought_tokens = kNotMeasured;           // mean, before the answer
  std::map<std::string, double> behaviours = {};  // mean count a completion: "tries", "backs", "checks", …
};

// "search": test-time compute; one strategy at one budget on one task's test split.
struct SearchRow {
  std::string task;
  std::string model;                     // which policy: "sft" (before RL), "rl" (after)
  std::string strategy;                  // a search name: "majority", "mcts", …
  int64_t budget = 0;                    // tokens or samples that it was given, as the recipe says
  double tokens_per_problem = 0;         // that the policy wrote
  double critic_tokens_per_problem = 0;  // that the critic read
  double seconds_per_problem = kNotMeasured;
  Estimate accuracy = {};
};

// "pass_at_k": the bound that no selector can pass.
struct PassAtKRow {
  std::string task;
  std::string model;
  int64_t k = 1;
  int64_t samples = 0;  // pool that it was estimated from
  double tokens_per_problem = 0;
  Estimate value = {};  // n counts problems
};

// "control": what must not work, or what a claim is held against (random reward, direct answers, random selector).
struct ControlRow {
  std::string name;
  std::string task;
  std::string note;  // one line: what it is and what it should show
  Estimate accuracy = {};
};

// "compare": a paired difference on the same problems. name "rl-sft" is the headline gain of a task.
struct CompareRow {
  std::string name;
  std::string task;
  std::string note;  // what is compared, how the interval was made
  Estimate difference = {};
};

// "critic": self-evaluation against the verifier.
struct CriticRow {
  std::string task;
  std::string model;
  Estimate auroc = {};                   // n counts samples
  double auroc_permuted = kNotMeasured;  // control: the same scores, outcomes shuffled
  double calibration_error = kNotMeasured, brier = kNotMeasured;
};

// "probe": slips planted in the middle of right thoughts, and what the model made of them. kind is the
// slip's, "unlike" stands for all kinds together that no demonstration shows. A control is the same thought untouched.
struct ProbeRow {
  std::string task;
  std::string model;
  std::string slip;
  std::string shown;                     // "yes": demonstrations hold slips of this kind
  Estimate repaired = {};                // share of slips that the next two words take back and mend
  double caught = kNotMeasured;          // share that "wait" follows, whatever it then says
  double false_alarms = kNotMeasured;    // control: share of the same places that "wait" follows without a slip
  double solved = kNotMeasured;          // share of the slipped thoughts that end in a right answer
  double solved_control = kNotMeasured;  // the same thoughts without a slip
  std::string outcomes = {};             // of one kind, a test problem: "1" repaired, "0" not, "-" no place for a slip
};

// "outcomes": which of a task's first test problems were answered rightly, for comparisons over several runs.
struct OutcomeRow {
  std::string task;
  std::string model;
  std::string strategy;  // "greedy" or a search
  int64_t budget = 0;    // tokens; 0 = none was set
  std::string outcomes;  // "1" or "0" a problem, in the test order
};

// "data": sizes of a task's splits. overlap: canonical test instances that also occur in training data (must be 0).
struct DataRow {
  std::string task;
  int64_t train = 0, dev = 0, test = 0;
  int64_t overlap = 0;
  std::string note;  // how the splits are made, how overlap was counted
};

// "transcript": a completion to read; the same problem before ("sft") and after ("rl") stands in two rows.
struct TranscriptRow {
  std::string task;
  std::string problem;  // id
  std::string model;
  std::string question;
  std::string text;
  std::string answer;
  std::string verdict;  // verdict_name()
  std::string reason;   // the verifier's, where it is not correct
  int64_t tokens = 0;
};

// "tree": a search to look at.
struct TreeRow {
  std::string task;
  std::string problem;
  std::string model;
  std::string strategy;
  std::string question;
  std::string answer;
  std::string verdict;
  int64_t tokens = 0;
  base::Json tree;  // search::tree_json()
};

// "note": a sentence for the report. Topics: "transcripts" (the rule that chose them), and of the model card "use",
// "data", "rewards", "search", "limits", "evaluation".
struct NoteRow {
  std::string topic;
  std::string text;
};

base::Json to_json(const RunRow& row);
base::Json to_json(const LedgerRow& row);
base::Json to_json(const TrainRow& row);
base::Json to_json(const RlRow& row);
base::Json to_json(const AccuracyRow& row);
base::Json to_json(const SearchRow& row);
base::Json to_json(const PassAtKRow& row);
base::Json to_json(const ControlRow& row);
base::Json to_json(const CompareRow& row);
base::Json to_json(const CriticRow& row);
base::Json to_json(const ProbeRow& row);
base::Json to_json(const OutcomeRow& row);
base::Json to_json(const DataRow& row);
base::Json to_json(const TranscriptRow& row);
base::Json to_json(const TreeRow& row);
base::Json to_json(const NoteRow& row);

// What of a row makes a curve over steps, by tag: the numbers of "train" and "rl" rows, the accuracy of each task.
// Empty for all other kinds.
std::vector<std::pair<std::string, double>> scalars_of(const base::Json& row);

// All rows of a run, each kind in the order in which its rows first appeared.
struct Rows {
  std::vector<RunRow> run;
  std::vector<LedgerRow> ledger;
  std::vector<TrainRow> train;
  std::vector<RlRow> rl;
  std::vector<AccuracyRow> accuracy;
  std::vector<SearchRow> search;
  std::vector<PassAtKRow> pass_at_k;
  std::vector<ControlRow> control;
  std::vector<CompareRow> compare;
  std::vector<CriticRow> critic;
  std::vector<ProbeRow> probe;
  std::vector<OutcomeRow> outcomes;
  std::vector<DataRow> data;
  std::vector<TranscriptRow> transcript;
  std::vector<TreeRow> tree;
  std::vector<NoteRow> note;
  std::vector<std::string> unreadable;  // "metrics.jsonl:12: …", lines that were left out
};

// Lines that are no rows of a known kind are left out and named in Rows::unreadable; a run that was killed may have
// torn its last line. Error(kInput) when the file cannot be opened.
Rows read_rows(const std::string& metrics_path);

}  // namespace ponder::eval
