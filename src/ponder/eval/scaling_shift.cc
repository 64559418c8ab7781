#include "ponder/eval/scaling_shift.h"

#include <algorithm>
#include <map>

#include "ponder/base/cat.h"
#include "ponder/eval/scaling_signals.h"
#include "ponder/eval/statistics.h"

namespace ponder::eval {

using base::Json;

namespace {

// Where a signal's JSON has a figure, its interval and how many clusters are behind it.
struct Figure {
  const char *value, *low, *high, *clusters;
};

Json drop_of(const Json& home, const Json& away, const Figure& figure) {
  if (home.at(figure.value).is_null() || away.at(figure.value).is_null()) return Json();
  const auto interval = [&](const Json& of) {
    return Interval{of.at(figure.low).as_double(), of.at(figure.high).as_double()};
  };
  const double before = home.at(figure.value).as_double(), behind = away.at(figure.value).as_double();
  const Interval drop = difference_interval(before, interval(home), behind, interval(away));
  const bool few = std::min(home.at(figure.clusters).as_int(), away.at(figure.clusters).as_int()) < kFewestClusters;
  Json json = Json::object();
  json["home"] = before, json["away"] = behind, json["drop"] = before - behind;
  json["low"] = drop.lo, json["high"] = drop.hi;
  json["verdict"] = few           ? "too few problems to tell"
                    : drop.lo > 0 ? "lower there"
                    : drop.hi < 0 ? "higher there"
                                  : "not told apart";
  return json;
}

}  // namespace

Json drops_json(const Json& home, const Json& away) {
  Json list = Json::array();
  for (const Json& there : away.as_array()) {
    const auto& all = home.as_array();
    const auto here = std::ranges::find_if(
        all, [&](const Json& s) { return s.at("name") == there.at("name") && s.at("of") == there.at("of"); });
    if (here == all.end()) continue;
    Json row = Json::object();
    row["name"] = there.at("name"), row["control"] = there.at("control");
    row["auroc"] = drop_of(*here, there, {"auroc", "low", "high", "clusters"});
    row["auroc_within"] = drop_of(*here, there, {"auroc_within", "within_low", "within_high", "within_clusters"});
    row["gain"] = drop_of(*here, there, {"gain", "gain_low", "gain_high", "problems"});
    list.push_back(std::move(row));
  }
  return list;
}

std::string shift_sentence(const Json& shift) {
  const Json* drops = shift.find("drops");
  if (!drops) return "";
  std::map<std::string, std::string> by_verdict;
  for (const Json& row : drops->as_array()) {
    const Json& within = row.at("auroc_within");
    if (within.is_null()) continue;
    const auto number = [&](const char* field) { return base::fixed(within.at(field).as_double(), 2); };
    std::string& names = by_verdict[within.at("verdict").as_string()];
    names += base::cat(names.empty() ? " " : ", ", row.at("name").as_string(), " ", number("home"), " to ",
                       number("away"), " (drop ", number("drop"), " [", number("low"), ", ", number("high"), "])");
  }
  std::string text;
  for (const auto& [verdict, names] : by_verdict) text += base::cat(text.empty() ? "" : "; ", verdict, ":", names);
  if (text.empty()) return "";
  return base::cat("Out of distribution, on ", shift.at("n").as_int(), " problems of ", shift.at("task").as_string(),
                   ", AUROC within a problem: ", text, ".");
}

}  // namespace ponder::eval
