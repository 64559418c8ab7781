#include "ponder/eval/scaling_rows.h"

#include <algorithm>
#include <limits>

#include "ponder/base/error.h"
#include "ponder/base/rng.h"
#include "ponder/search/select.h"

namespace ponder::eval {

using base::Json;

Json to_json(const ScalingRow& row) {
  Json json = Json::object();
  json["kind"] = "scaling";
  json["strategy"] = row.strategy, json["budget"] = row.budget, json["problem"] = row.problem;
  json["cluster"] = row.cluster, json["error"] = row.error, json["answered"] = row.answered;
  json["correct"] = row.correct, json["generated"] = row.generated, json["read"] = row.read;
  json["select"] = row.select, json["guide"] = row.guide;
  if (row.costs) {
    const RowCosts& costs = *row.costs;
    json["processed"] = costs.processed, json["unique"] = costs.unique, json["discarded"] = costs.discarded;
    json["recomputed"] = costs.recomputed;
    json["flops"] = costs.flops, json["seconds"] = costs.seconds, json["batch"] = costs.batch;
    json["batch_seconds"] = costs.batch_seconds, json["batch_kv_peak_bytes"] = costs.batch_kv_peak_bytes;
  }
  Json found = Json::array();
  for (const Found& f : row.found) {
    Json one = Json::object();
    one["generated"] = f.generated, one["read"] = f.read, one["correct"] = f.correct, one["score"] = f.score;
    one["answer"] = f.answered ? Json(f.answer) : Json(), one["scored"] = f.scored;
    if (f.likelihood) one["likelihood"] = *f.likelihood;
    if (f.length) one["length"] = *f.length;
    if (f.revises >= 0) one["revises"] = f.revises;
    if (f.cut) one["cut"] = true;
    if (f.flops) one["flops"] = *f.flops;
    if (f.critic_flops) one["critic_flops"] = *f.critic_flops;
    found.push_back(std::move(one));
  }
  json["found"] = std::move(found);
  return json;
}

ScalingRow scaling_row(const Json& json, const std::string& where) {
  try {
    ScalingRow row;
    row.strategy = json.at("strategy").as_string(), row.budget = json.at("budget").as_int();
    row.problem = json.at("problem").as_string(), row.cluster = json.at("cluster").as_string();
    row.error = json.at("error").as_string(), row.answered = json.at("answered").as_bool();
    row.correct = json.at("correct").as_bool(), row.generated = json.at("generated").as_int();
    row.read = json.at("read").as_int(), row.select = json.at("select").as_string();
    if (const Json* guide = json.find("guide")) row.guide = guide->as_string();
    if (json.find("discarded")) {  // where there is none, "unique" had another meaning
      RowCosts& costs = row.costs.emplace();
      costs.processed = json.at("processed").as_int(), costs.unique = json.at("unique").as_int();
      costs.discarded = json.at("discarded").as_int();
      costs.recomputed = json.at("recomputed").as_int(), costs.flops = json.at("flops").as_double();
      costs.seconds = json.at("seconds").as_double(), costs.batch = json.at("batch").as_int();
      costs.batch_seconds = json.at("batch_seconds").as_double();
      costs.batch_kv_peak_bytes = json.at("batch_kv_peak_bytes").as_int();
    }
    for (const Json& one : json.at("found").as_array()) {
      Found f;
      f.generated = one.at("generated").as_int(), f.read = one.at("read").as_int();
      f.correct = one.at("correct").as_bool(), f.score = one.at("score").as_double();
      f.answered = !one.at("answer").is_null();
      if (f.answered) f.answer = one.at("answer").as_string();
      if (const Json* scored = one.find("scored")) f.scored = scored->as_bool();
      if (const Json* likelihood = one.find("likelihood")) f.likelihood = likelihood->as_double();
      if (const Json* length = one.find("length")) f.length = length->as_int();
      if (const Json* revises = one.find("revises")) f.revises = revises->as_int();
      if (const Json* cut = one.find("cut")) f.cut = cut->as_bool();
      if (f.revises >= static_cast<int64_t>(row.found.size()))
        throw Error(ErrorCode::kInput, "an answer is revised before it is there");
      if (const Json* flops = one.find("flops")) f.flops = flops->as_double();
      if (const Json* flops = one.find("critic_flops")) f.critic_flops = flops->as_double();
      row.found.push_back(std::move(f));
    }
    return row;
  } catch (const Error& e) {
    throw Error(ErrorCode::kInput, base::cat("not a row of a scaling study: ", e.message()), where);
  }
}

int half_of(const std::string& cluster) { return static_cast<int>(base::hash64("half " + cluster) % 2); }

namespace {

int64_t choose(const std::vector<Found>& found, const std::string& select) {
  if (select == "first" || select == "last") {
    int64_t chosen = -1;
    for (size_t i = 0; i < found.size() && (select == "last" || chosen < 0); ++i)
      if (found[i].answered) chosen = static_cast<int64_t>(i);
    return chosen;
  }
  std::vector<search::Candidate> candidates;
  for (const Found& f : found) {
    search::Candidate c;
    if (f.answered) c.answer = f.answer;
    c.score = f.score;
    candidates.push_back(std::move(c));
  }
  return search::select_candidate(candidates, select, base::RngKey(0).child("scaling"));
}

}  // namespace

AtBudget at_budget(const std::vector<Found>& found, const std::string& select, int64_t budget, bool reads) {
  AtBudget at;
  std::vector<Found> paid;
  bool all_known = true;
  for (const Found& f : found) {
    if (f.generated + (reads ? f.read : 0) > budget) continue;
    paid.push_back(f);
    at.generated = std::max(at.generated, static_cast<double>(f.generated));
    if (reads) at.read = std::max(at.read, static_cast<double>(f.read));
    if (f.flops)
      at.flops = std::max(at.flops, *f.flops - (reads ? 0 : f.critic_flops.value_or(0)));
    else
      all_known = false;
  }
  if (!all_known) at.flops = std::numeric_limits<double>::quiet_NaN();
  const int64_t chosen = choose(paid, select);
  at.correct = chosen >= 0 && paid[static_cast<size_t>(chosen)].correct;
  return at;
}

}  // namespace ponder::eval
