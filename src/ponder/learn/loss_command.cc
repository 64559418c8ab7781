#include "ponder/learn/loss_command.h"

#include <algorithm>
#include <cmath>

#include "ponder/base/error.h"
#include "ponder/base/fields.h"
#include "ponder/learn/losses.h"

namespace ponder::learn {
namespace {

using base::Json;

[[noreturn]] void refuse(const std::string& key, const std::string& message) {
  throw Error(ErrorCode::kInput, message, key);
}

struct CommandOptions {
  LossOptions loss;
  std::string advantage;
  double eps = 1e-4;
  void fields(base::Fields& f) {
    loss.fields(f);
    f.field("advantage", advantage, {.help = "estimator that turns rewards into advantages; empty = the loss's own"});
    f.field("eps", eps, {.min = 0, .max = 1, .help = "added to the standard deviation of rewards"});
  }
};

double number(const Json& json, const std::string& key) {
  if (!json.is_number()) refuse(key, base::cat("expected a number, got ", json.type_name()));
  const double value = json.as_double();
  if (!std::isfinite(value)) refuse(key, "expected a finite number");
  return value;
}

// A list of numbers, one for each row of the batch.
std::vector<double> numbers(const Json& json, const std::string& key) {
  if (!json.is_array()) refuse(key, base::cat("expected a list of numbers, got ", json.type_name()));
  std::vector<double> out;
  for (const Json& item : json.as_array()) out.push_back(number(item, base::cat(key, "[", out.size(), "]")));
  return out;
}

std::vector<int64_t> integers(const Json& json, const std::string& key) {
  if (!json.is_array()) refuse(key, base::cat("expected a list of whole numbers, got ", json.type_name()));
  std::vector<int64_t> out;
  for (const Json& item : json.as_array()) {
    if (!item.is_int()) refuse(key, base::cat("expected a list of whole numbers, found ", item.type_name(), " in it"));
    out.push_back(item.as_int());
  }
  return out;
}

bool is_matrix(const Json& json) { return json.is_array() && json.size() > 0 && json.as_array()[0].is_array(); }

// The shape that all other keys are held against: rows one behind the other.
struct Table {
  std::vector<double> values;
  std::vector<int64_t> offsets = {0};
  size_t rows() const { return offsets.size() - 1; }
};

Table read_table(const Json& json, const std::string& key) {
  if (!json.is_array() || json.size() == 0) {
    refuse(key, base::cat("expected a list of rows, each a list of numbers, got ", json.type_name()));
  }
  Table table;
  for (const Json& row : json.as_array()) {
    const std::string where = base::cat(key, "[", table.rows(), "]");
    const std::vector<double> values = row.is_array() ? numbers(row, where) : std::vector{number(row, where)};
    table.values.insert(table.values.end(), values.begin(), values.end());
    table.offsets.push_back(static_cast<int64_t>(table.values.size()));
  }
  return table;
}

// One number for each token of `shape`; a flat list of one number a row is spread over the row's tokens.
std::vector<double> read_like(const Json& json, const std::string& key, const Table& shape, bool rows_allowed) {
  if (rows_allowed && !is_matrix(json)) {
    const std::vector<double> per_row = numbers(json, key);
    if (per_row.size() != shape.rows()) {
      refuse(key, base::cat("expected ", shape.rows(), " numbers, one a row, got ", per_row.size()));
    }
    std::vector<double> out;
    for (size_t i = 0; i < per_row.size(); ++i) {
      out.insert(out.end(), static_cast<size_t>(shape.offsets[i + 1] - shape.offsets[i]), per_row[i]);
    }
    return out;
  }
  Table table = read_table(json, key);
  if (table.rows() != shape.rows()) refuse(key, base::cat("expected ", shape.rows(), " rows, got ", table.rows()));
  for (size_t i = 0; i < shape.rows(); ++i) {
    const int64_t wanted = shape.offsets[i + 1] - shape.offsets[i], found = table.offsets[i + 1] - table.offsets[i];
    if (wanted != found) {
      refuse(base::cat(key, "[", i, "]"), base::cat("expected ", wanted, " numbers as in logp, got ", found));
    }
  }
  return std::move(table.values);
}

void check_keys(const Json& input) {
  static const std::vector<std::string> known = {"logp",   "logp_old", "logp_ref", "mask",   "rewards", "advantages",
                                                 "groups", "chosen",   "rejected", "labels", "scores",  "options"};
  if (!input.is_object()) refuse("input", base::cat("expected an object with a key \"logp\", got ", input.type_name()));
  for (const auto& [key, value] : input.as_object()) {
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    const std::string nearest = base::nearest_name(key, known);
    refuse(key, base::cat("unknown key", nearest.empty() ? "" : "; did you mean \"" + nearest + "\"?"));
  }
}

// What the loss reads, with the storage that its spans point into.
struct Numbers {
  Table logp;
  std::vector<double> logp_old, logp_ref, mask, advantages, labels;
  std::vector<Pair> pairs;
  Json shown_advantages;  // as given, or one a row when they were made from rewards
};

const Json* given(const Json& input, const char* key) {
  const Json* json = input.find(key);
  return json != nullptr && !json->is_null() ? json : nullptr;
}

void read_advantages(const Json& input, const LossInfo& info, const CommandOptions& options,
                     const AdvantageFunction& advantages, Numbers& out) {
  if (const Json* json = given(input, "advantages")) {
    out.advantages = read_like(*json, "advantages", out.logp, true);
    out.shown_advantages = *json;
    return;
  }
  const Json* rewards_json = given(input, "rewards");
  if (rewards_json == nullptr) {
    refuse("rewards", base::cat(info.name, " needs \"rewards\" (one number a row) or \"advantages\""));
  }
  const std::vector<double> rewards = numbers(*rewards_json, "rewards");
  std::vector<int64_t> groups(rewards.size(), 0);
  if (const Json* json = given(input, "groups")) groups = integers(*json, "groups");
  for (const auto& [key, size] : {std::pair{"rewards", rewards.size()}, std::pair{"groups", groups.size()}}) {
    if (size != out.logp.rows())
      refuse(key, base::cat("expected ", out.logp.rows(), " numbers, one a row, got ", size));
  }
  const std::string estimator = options.advantage.empty() ? info.advantage : options.advantage;
  out.shown_advantages = Json::list(advantages(estimator, options.eps, rewards, groups));
  out.advantages = read_like(out.shown_advantages, "advantages", out.logp, true);
}

void read_pairs(const Json& input, const LossInfo& info, Numbers& out) {
  std::vector<int64_t> sides[2];
  const char* keys[2] = {"chosen", "rejected"};
  for (int s = 0; s < 2; ++s) {
    const Json* json = given(input, keys[s]);
    if (json == nullptr) refuse(keys[s], base::cat(info.name, " needs the row numbers of the ", keys[s], " answers"));
    sides[s] = integers(*json, keys[s]);
    for (int64_t row : sides[s]) {
      if (row < 0 || row >= static_cast<int64_t>(out.logp.rows())) {
        refuse(keys[s], base::cat("row ", row, " does not exist; rows run from 0 to ", out.logp.rows() - 1));
      }
    }
  }
  if (sides[0].size() != sides[1].size() || sides[0].empty()) {
    refuse("rejected", base::cat("expected as many rows as in chosen, at least one, got ", sides[0].size(), " and ",
                                 sides[1].size()));
  }
  for (size_t i = 0; i < sides[0].size(); ++i) out.pairs.push_back({sides[0][i], sides[1][i]});
}

Numbers read_numbers(const Json& input, const LossInfo& info, const CommandOptions& options,
                     const AdvantageFunction& advantages) {
  Numbers out;
  const char* column = info.reads_scores && given(input, "scores") ? "scores" : "logp";
  const Json* json = given(input, column);
  if (json == nullptr)
    refuse(column, base::cat(info.name, " needs \"", info.reads_scores ? "scores" : column, "\", a list of rows"));
  out.logp = read_table(*json, column);
  if (const Json* j = given(input, "logp_old")) out.logp_old = read_like(*j, "logp_old", out.logp, false);
  if (const Json* j = given(input, "logp_ref")) out.logp_ref = read_like(*j, "logp_ref", out.logp, false);
  if (const Json* j = given(input, "mask")) out.mask = read_like(*j, "mask", out.logp, false);
  for (double m : out.mask) {
    if (m < 0) refuse("mask", "weights must not be negative");
  }
  if (info.kind == LossKind::kPolicy) read_advantages(input, info, options, advantages, out);
  if (info.kind == LossKind::kPreference) {
    read_pairs(input, info, out);
    if (!info.reads_scores && out.logp_ref.empty())
      refuse("logp_ref", base::cat(info.name, " needs a reference's log-probs"));
  }
  if (info.kind == LossKind::kScore) {
    const char* key = given(input, "labels") ? "labels" : "rewards";
    const Json* labels = given(input, key);
    if (labels == nullptr)
      refuse("labels", base::cat(info.name, " needs \"labels\" in 0 … 1, one a row or one a token"));
    out.labels = read_like(*labels, key, out.logp, true);
    for (double y : out.labels) {
      if (y < 0 || y > 1) refuse(key, base::cat("label ", y, " is out of range; labels must be between 0 and 1"));
    }
  }
  return out;
}

Json rows_json(const std::vector<double>& values, const std::vector<int64_t>& offsets) {
  Json rows = Json::array();
  for (size_t i = 0; i + 1 < offsets.size(); ++i) {
    rows.push_back(Json::list(std::vector<double>(values.begin() + offsets[i], values.begin() + offsets[i + 1])));
  }
  return rows;
}

}  // namespace

Json evaluate_loss(const std::string& algo, const Json& input, const AdvantageFunction& advantages) {
  const LossInfo& info = find_loss(algo);
  check_keys(input);
  CommandOptions options;
  // JSON is YAML, so the one reader of options does for both.
  if (const Json* json = given(input, "options")) {
    if (!json->is_object()) refuse("options", base::cat("expected an object, got ", json->type_name()));
    base::read_fields(options, base::parse_yaml(json->dump(), "options"), "options");
  }
  const Numbers n = read_numbers(input, info, options, advantages);
  LossInput in{n.logp.values, n.logp.offsets, n.logp_old, n.logp_ref, n.mask, n.advantages, n.labels, n.pairs, {}};
  in.totals = totals_of(in);
  if (resolve_options(info, options.loss).beta > 0 && info.kind == LossKind::kPolicy && n.logp_ref.empty()) {
    refuse("logp_ref", "beta > 0 needs a reference's log-probs");
  }
  const LossResult result = compute_loss(info, in, options.loss);
  Json out = Json::object();
  out["loss"] = result.loss;
  out["advantages"] = n.shown_advantages;
  out["grad_logp"] = rows_json(result.grad_logp, n.logp.offsets);
  out["clip_fraction"] = result.stats.clip_fraction();
  out["kl"] = n.logp_ref.empty() || info.kind != LossKind::kPolicy ? Json() : Json(result.stats.mean_kl());
  out["accuracy"] = result.stats.judged > 0 ? Json(result.stats.accuracy()) : Json();
  return out;
}

}  // namespace ponder::learn
