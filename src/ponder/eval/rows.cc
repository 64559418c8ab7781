#include "ponder/eval/rows.h"

#include <cmath>
#include <unordered_map>

#include "ponder/base/error.h"
#include "ponder/base/file.h"

namespace ponder::eval {
namespace {

using base::Json;

// One list of keys a row serves writing and reading: visit(v, row) hands every member to v under its key.
struct Writer {
  Json& json;
  template <class T>
  void operator()(const char* key, const T& value) {
    json[key] = Json(value);
  }
  void operator()(const char* key, const std::map<std::string, double>& values) {
    Json object = Json::object();
    for (const auto& [name, value] : values) object[name] = value;
    json[key] = std::move(object);
  }
  void operator()(const char* key, const Estimate& e) {
    json[key] = e.value;
    json["n"] = e.n;
    json["stderr"] = e.std_error;
    json["ci_lo"] = e.ci.lo;
    json["ci_hi"] = e.ci.hi;
  }
};

// Missing keys keep their default, except in an estimate: a figure without its n and interval is no figure.
struct Reader {
  const Json& json;
  void operator()(const char* key, std::string& value) {
    if (const Json* found = json.find(key)) value = found->as_string();
  }
  void operator()(const char* key, int64_t& value) {
    if (const Json* found = json.find(key)) value = found->as_int();
  }
  void operator()(const char* key, double& value) {
    if (const Json* found = json.find(key)) value = found->is_null() ? kNotMeasured : found->as_double();
  }
  void operator()(const char* key, Json& value) {
    if (const Json* found = json.find(key)) value = *found;
  }
  void operator()(const char* key, std::map<std::string, double>& values) {
    const Json* found = json.find(key);
    if (!found) return;
    for (const auto& [name, value] : found->as_object())
      if (!value.is_null()) values[name] = value.as_double();
  }
  void operator()(const char* key, Estimate& e) {
    e.value = json.at(key).as_double();
    e.n = json.at("n").as_int();
    e.std_error = json.at("stderr").as_double();
    e.ci = {json.at("ci_lo").as_double(), json.at("ci_hi").as_double()};
  }
};

// Row is the struct or, for writing, its const.
template <class Row, class T>
concept Is = std::is_same_v<std::remove_const_t<Row>, T>;

template <class V>
void visit(V&& v, Is<RunRow> auto& r) {
  v("name", r.name), v("seed", r.seed), v("config_hash", r.config_hash), v("version", r.version);
  v("device", r.device), v("threads", r.threads), v("parameters", r.parameters);
}

template <class V>
void visit(V&& v, Is<LedgerRow> auto& r) {
  v("stage", r.stage), v("seconds", r.seconds), v("tokens", r.tokens), v("flops", r.flops);
  v("energy_wh", r.energy_wh);
}

template <class V>
void visit(V&& v, Is<TrainRow> auto& r) {
  v("stage", r.stage), v("step", r.step), v("tokens", r.tokens), v("loss", r.loss), v("grad_norm", r.grad_norm);
  v("lr", r.lr), v("tokens_per_second", r.tokens_per_second), v("label_std", r.label_std);
}

template <class V>
void visit(V&& v, Is<RlRow> auto& r) {
  v("stage", r.stage), v("step", r.step), v("tokens", r.tokens), v("reward", r.reward), v("kl", r.kl);
  v("entropy", r.entropy), v("length", r.length), v("grad_norm", r.grad_norm), v("clip_fraction", r.clip_fraction);
  v("lr", r.lr), v("logp_gap", r.logp_gap), v("groups_kept", r.groups_kept), v("truncated", r.truncated);
  v("policy_version", r.policy_version), v("reward_std", r.reward_std), v("ended", r.ended);
  v("unparsable", r.unparsable), v("stale", r.stale), v("loss", r.loss), v("tokens_per_second", r.tokens_per_second);
}

template <class V>
void visit(V&& v, Is<AccuracyRow> auto& r) {
  v("stage", r.stage), v("task", r.task), v("split", r.split), v("step", r.step), v("tokens", r.tokens);
  v("flops", r.flops), v("seconds", r.seconds), v("accuracy", r.accuracy), v("thought_tokens", r.thought_tokens);
  v("behaviours", r.behaviours);
}

template <class V>
void visit(V&& v, Is<SearchRow> auto& r) {
  v("task", r.task), v("model", r.model), v("strategy", r.strategy), v("budget", r.budget);
  v("tokens_per_problem", r.tokens_per_problem), v("critic_tokens_per_problem", r.critic_tokens_per_problem);
  v("seconds_per_problem", r.seconds_per_problem), v("accuracy", r.accuracy);
}

template <class V>
void visit(V&& v, Is<PassAtKRow> auto& r) {
  v("task", r.task), v("model", r.model), v("k", r.k), v("samples", r.samples);
  v("tokens_per_problem", r.tokens_per_problem), v("value", r.value);
}

template <class V>
void visit(V&& v, Is<ControlRow> auto& r) {
  v("name", r.name), v("task", r.task), v("note", r.note), v("accuracy", r.accuracy);
}

template <class V>
void visit(V&& v, Is<CompareRow> auto& r) {
  v("name", r.name), v("task", r.task), v("note", r.note), v("difference", r.difference);
}

template <class V>
void visit(V&& v, Is<CriticRow> auto& r) {
  v("task", r.task), v("model", r.model), v("auroc", r.auroc), v("auroc_permuted", r.auroc_permuted);
  v("calibration_error", r.calibration_error), v("brier", r.brier);
}

template <class V>
void visit(V&& v, Is<ProbeRow> auto& r) {
  v("task", r.task), v("model", r.model), v("slip", r.slip), v("shown", r.shown), v("repaired", r.repaired);
  v("caught", r.caught), v("false_alarms", r.false_alarms), v("solved", r.solved);
  v("solved_control", r.solved_control), v("outcomes", r.outcomes);
}

template <class V>
void visit(V&& v, Is<OutcomeRow> auto& r) {
  v("task", r.task), v("model", r.model), v("strategy", r.strategy), v("budget", r.budget), v("outcomes", r.outcomes);
}

template <class V>
void visit(V&& v, Is<DataRow> auto& r) {
  v("task", r.task), v("train", r.train), v("dev", r.dev), v("test", r.test), v("overlap", r.overlap);
  v("note", r.note);
}

template <class V>
void visit(V&& v, Is<TranscriptRow> auto& r) {
  v("task", r.task), v("problem", r.problem), v("model", r.model), v("question", r.question), v("text", r.text);
  v("answer", r.answer), v("verdict", r.verdict), v("reason", r.reason), v("tokens", r.tokens);
}

template <class V>
void visit(V&& v, Is<TreeRow> auto& r) {
  v("task", r.task), v("problem", r.problem), v("model", r.model), v("strategy", r.strategy);
  v("question", r.question), v("answer", r.answer), v("verdict", r.verdict), v("tokens", r.tokens), v("tree", r.tree);
}

template <class V>
void visit(V&& v, Is<NoteRow> auto& r) {
  v("topic", r.topic), v("text", r.text);
}

template <class Row>
Json write(const char* kind, const Row& row) {
  Json json = Json::object();
  json["kind"] = kind;
  visit(Writer{json}, row);
  return json;
}

// What makes two rows the same row, so that the later one replaces the earlier.
std::string identity(const RunRow&) { return ""; }
std::string identity(const LedgerRow& r) { return r.stage; }
std::string identity(const TrainRow& r) { return base::cat(r.stage, '\n', r.step); }
std::string identity(const RlRow& r) { return base::cat(r.stage, '\n', r.step); }
std::string identity(const AccuracyRow& r) { return base::cat(r.stage, '\n', r.task, '\n', r.split, '\n', r.step); }
std::string identity(const SearchRow& r) { return base::cat(r.task, '\n', r.model, '\n', r.strategy, '\n', r.budget); }
std::string identity(const PassAtKRow& r) { return base::cat(r.task, '\n', r.model, '\n', r.k); }
std::string identity(const ControlRow& r) { return base::cat(r.task, '\n', r.name); }
std::string identity(const CompareRow& r) { return base::cat(r.task, '\n', r.name); }
std::string identity(const CriticRow& r) { return base::cat(r.task, '\n', r.model); }
std::string identity(const ProbeRow& r) { return base::cat(r.task, '\n', r.model, '\n', r.slip); }
std::string identity(const OutcomeRow& r) { return base::cat(r.task, '\n', r.model, '\n', r.strategy, '\n', r.budget); }
std::string identity(const DataRow& r) { return r.task; }
std::string identity(const TranscriptRow& r) { return base::cat(r.task, '\n', r.model, '\n', r.problem); }
std::string identity(const TreeRow& r) { return base::cat(r.task, '\n', r.model, '\n', r.strategy, '\n', r.problem); }
std::string identity(const NoteRow& r) { return base::cat(r.topic, '\n', r.text); }

class RowReader {
 public:
  explicit RowReader(Rows& rows) : rows_(rows) {}

  // False for a kind that is not known.
  bool read(const std::string& kind, const Json& json) {
    if (kind == "run") return keep(rows_.run, kind, json);
    if (kind == "ledger") return keep(rows_.ledger, kind, json);
    if (kind == "train") return keep(rows_.train, kind, json);
    if (kind == "rl") return keep(rows_.rl, kind, json);
    if (kind == "accuracy") return keep(rows_.accuracy, kind, json);
    if (kind == "search") return keep(rows_.search, kind, json);
    if (kind == "pass_at_k") return keep(rows_.pass_at_k, kind, json);
    if (kind == "control") return keep(rows_.control, kind, json);
    if (kind == "compare") return keep(rows_.compare, kind, json);
    if (kind == "critic") return keep(rows_.critic, kind, json);
    if (kind == "probe") return keep(rows_.probe, kind, json);
    if (kind == "outcomes") return keep(rows_.outcomes, kind, json);
    if (kind == "data") return keep(rows_.data, kind, json);
    if (kind == "transcript") return keep(rows_.transcript, kind, json);
    if (kind == "tree") return keep(rows_.tree, kind, json);
    if (kind == "note") return keep(rows_.note, kind, json);
    return false;
  }

 private:
  template <class Row>
  bool keep(std::vector<Row>& rows, const std::string& kind, const Json& json) {
    Row row;
    visit(Reader{json}, row);
    auto [it, is_new] = place_.try_emplace(base::cat(kind, '\n', identity(row)), rows.size());
    if (is_new) {
      rows.push_back(std::move(row));
    } else {
      rows[it->second] = std::move(row);
    }
    return true;
  }

  Rows& rows_;
  std::unordered_map<std::string, size_t> place_;
};

}  // namespace

Json to_json(const RunRow& row) { return write("run", row); }
Json to_json(const LedgerRow& row) { return write("ledger", row); }
Json to_json(const TrainRow& row) { return write("train", row); }
Json to_json(const RlRow& row) { return write("rl", row); }
Json to_json(const AccuracyRow& row) { return write("accuracy", row); }
Json to_json(const SearchRow& row) { return write("search", row); }
Json to_json(const PassAtKRow& row) { return write("pass_at_k", row); }
Json to_json(const ControlRow& row) { return write("control", row); }
Json to_json(const CompareRow& row) { return write("compare", row); }
Json to_json(const CriticRow& row) { return write("critic", row); }
Json to_json(const ProbeRow& row) { return write("probe", row); }
Json to_json(const OutcomeRow& row) { return write("outcomes", row); }
Json to_json(const DataRow& row) { return write("data", row); }
Json to_json(const TranscriptRow& row) { return write("transcript", row); }
Json to_json(const TreeRow& row) { return write("tree", row); }
Json to_json(const NoteRow& row) { return write("note", row); }

std::vector<std::pair<std::string, double>> scalars_of(const Json& row) {
  const std::string& kind = row.at("kind").as_string();
  std::vector<std::pair<std::string, double>> scalars;
  const auto add = [&](const std::string& tag, const Json& value) {
    if (value.is_number() && !std::isnan(value.as_double())) scalars.emplace_back(tag, value.as_double());
  };
  if (kind == "train" || kind == "rl")
    for (const auto& [name, value] : row.as_object())
      if (name != "step") add(name, value);
  if (kind == "accuracy")
    for (const char* name : {"accuracy", "thought_tokens"})
      add(base::cat(name, "/", row.at("task").as_string()), row.at(name));
  return scalars;
}

Rows read_rows(const std::string& metrics_path) {
  Rows rows;
  RowReader reader(rows);
  const std::string file = base::file_name(metrics_path);
  auto leave_out = [&](const std::string& message, int64_t line) {
    rows.unreadable.push_back(base::cat(file, ":", line, ": ", message));
  };
  base::read_jsonl(
      metrics_path,
      [&](Json&& json, int64_t line) {
        try {
          const std::string& kind = json.at("kind").as_string();
          if (!reader.read(kind, json)) leave_out(base::cat("unknown kind of row \"", kind, "\""), line);
        } catch (const Error& error) {
          leave_out(error.message(), line);
        }
      },
      leave_out);
  return rows;
}

}  // namespace ponder::eval
