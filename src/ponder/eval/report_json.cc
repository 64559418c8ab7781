// report.json: the rows in the shape that scripts read (its first fields are a contract), with the sentences drawn from
// them.
#include <algorithm>

#include "ponder/base/cat.h"
#include "ponder/eval/headlines.h"
#include "ponder/eval/report.h"

namespace ponder::eval {
namespace {

using base::Json;

constexpr size_t kMostSteps = 1000;  // rows of one training curve that the page draws

// Without "kind": the list that a row stands in says what it is.
template <class Row>
Json plain(const Row& row) {
  Json json = to_json(row);
  auto& object = json.as_object();
  std::erase_if(object, [](const auto& member) { return member.first == "kind"; });
  return json;
}

template <class Row>
Json list_of(const std::vector<Row>& rows) {
  Json list = Json::array();
  for (const auto& row : rows) list.push_back(plain(row));
  return list;
}

// Evenly spaced rows, the first and the last among them.
template <class Row>
Json thinned(const std::vector<Row>& rows) {
  if (rows.size() <= kMostSteps) return list_of(rows);
  Json list = Json::array();
  for (size_t i = 0; i < kMostSteps; ++i) list.push_back(plain(rows[i * (rows.size() - 1) / (kMostSteps - 1)]));
  return list;
}

Json stages_json(const Rows& rows) {
  Json list = Json::array();
  for (const auto& row : rows.ledger) {
    Json stage = Json::object();
    stage["name"] = row.stage;
    stage["seconds"] = row.seconds;
    stage["tokens"] = row.tokens;
    stage["flops"] = row.flops;
    stage["energy_wh"] = row.energy_wh;
    list.push_back(std::move(stage));
  }
  return list;
}

// The test split alone, stage by stage as they ran, each stage by step.
Json train_curve_json(const Rows& rows) {
  std::vector<std::string> stages;
  std::vector<const AccuracyRow*> curve;
  for (const auto& row : rows.accuracy) {
    if (row.split != "test") continue;
    curve.push_back(&row);
    if (std::find(stages.begin(), stages.end(), row.stage) == stages.end()) stages.push_back(row.stage);
  }
  auto rank = [&](const AccuracyRow* row) {
    return std::find(stages.begin(), stages.end(), row->stage) - stages.begin();
  };
  std::stable_sort(curve.begin(), curve.end(),
                   [&](auto* a, auto* b) { return std::pair(rank(a), a->step) < std::pair(rank(b), b->step); });
  Json list = Json::array();
  for (const auto* row : curve) list.push_back(plain(*row));
  return list;
}

Json data_json(const Rows& rows) {
  int64_t train = 0, dev = 0, test = 0, overlap = 0;
  for (const auto& row : rows.data) {
    train += row.train;
    dev += row.dev;
    test += row.test;
    overlap += row.overlap;
  }
  Json data = Json::object();
  data["train"] = train;
  data["dev"] = dev;
  data["test"] = test;
  data["overlap"] = overlap;
  data["tasks"] = list_of(rows.data);
  return data;
}

Json estimate_json(const Estimate& e) {
  Json json = Json::object();
  json["value"] = e.value;
  json["stderr"] = e.std_error;
  json["ci_lo"] = e.ci.lo;
  json["ci_hi"] = e.ci.hi;
  json["n"] = e.n;
  return json;
}

Json point_json(const Headline::Point& p) {
  Json json = estimate_json(p.accuracy);
  json["label"] = p.label;
  json["tokens_per_problem"] = p.tokens_per_problem;
  return json;
}

Json headlines_json(const std::vector<Headline>& headlines) {
  Json list = Json::array();
  for (const auto& h : headlines) {
    Json json = Json::object();
    json["topic"] = h.topic;
    json["task"] = h.task;
    json["text"] = h.text;
    json["from"] = point_json(h.from);
    json["to"] = point_json(h.to);
    json["difference"] = estimate_json(h.difference);
    json["paired"] = h.paired;
    json["clear"] = h.clear;
    list.push_back(std::move(json));
  }
  return list;
}

bool has_stage(const Rows& rows, const std::string& stage) {
  return std::any_of(rows.ledger.begin(), rows.ledger.end(), [&](const auto& row) { return row.stage == stage; });
}

// What a whole run has and this one has not, as sentences.
std::vector<std::string> missing_parts(const Rows& rows) {
  std::vector<std::string> missing;
  auto need = [&](bool present, std::string sentence) {
    if (!present) missing.push_back(std::move(sentence));
  };
  for (const char* stage : {"pretrain", "sft", "rl", "search"})
    need(has_stage(rows, stage),
         base::cat("Stage ", stage, " is not in the ledger: it did not run or did not finish."));
  bool before = false, after = false;
  for (const auto& task : task_names(rows)) {
    before = before || last_accuracy(rows, "sft", task);
    after = after || last_accuracy(rows, "rl", task);
  }
  need(before, "No test accuracy before RL (stage sft).");
  need(after, "No test accuracy during RL (stage rl).");
  need(!rows.rl.empty(), "No RL steps: reward, KL and entropy are unknown.");
  need(!rows.search.empty(), "No test-time search results.");
  need(!rows.pass_at_k.empty(), "No pass@k bound.");
  need(!rows.control.empty(), "No control experiments: nothing here shows what the gains are held against.");
  need(!rows.data.empty(), "No split sizes and no overlap audit.");
  need(!rows.transcript.empty(), "No transcripts.");
  need(!rows.tree.empty(), "No search tree.");
  return missing;
}

std::vector<std::string> warnings(const Rows& rows) {
  std::vector<std::string> found;
  for (const auto& row : rows.data) {
    if (row.overlap > 0) {
      found.push_back(base::cat(row.task, ": ", row.overlap, " of ", row.test,
                                " test instances also occur in training data; its accuracy is not held out."));
    }
  }
  for (const auto& line : rows.unreadable) found.push_back(base::cat("Row left out: ", line));
  return found;
}

}  // namespace

Json report_json(const Rows& rows, const RunConfig& config) {
  const RunRow run = rows.run.empty() ? RunRow{} : rows.run.back();
  const auto headlines = make_headlines(rows);
  Json report = Json::object();
  report["name"] = run.name;
  report["summary"] = summary_sentence(headlines);
  report["stages"] = stages_json(rows);
  report["train_curve"] = train_curve_json(rows);
  report["search_curve"] = list_of(rows.search);
  report["pass_at_k"] = list_of(rows.pass_at_k);
  report["controls"] = list_of(rows.control);
  report["seed"] = config.seed;
  report["config_hash"] = run.config_hash.empty() ? config.config_hash : run.config_hash;
  report["data"] = data_json(rows);
  report["headlines"] = headlines_json(headlines);
  report["missing"] = Json::list(missing_parts(rows));
  report["warnings"] = Json::list(warnings(rows));
  report["run"] = rows.run.empty() ? Json() : plain(run);
  report["comparisons"] = list_of(rows.compare);
  report["critic"] = list_of(rows.critic);
  report["probes"] = list_of(rows.probe);
  report["rl"] = thinned(rows.rl);
  report["train"] = thinned(rows.train);
  report["transcripts"] = list_of(rows.transcript);
  report["trees"] = list_of(rows.tree);
  report["notes"] = list_of(rows.note);
  report["config"] = config.text;
  return report;
}

}  // namespace ponder::eval
