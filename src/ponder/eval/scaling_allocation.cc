#include "ponder/eval/scaling_allocation.h"

#include <algorithm>
#include <functional>
#include <tuple>

#include "ponder/eval/scaling.h"

namespace ponder::eval {

size_t bin_of(double ease) {
  constexpr double kRounding = 1e-9;  // sixteen times a sixteenth is not always one
  return ease >= kEasyAt - kRounding ? 0 : ease >= kHardAt - kRounding ? 1 : 2;
}

namespace {

std::array<size_t, 3> best_of(std::span<const double> ease, std::span<const Choice> choices,
                              const std::function<bool(size_t problem)>& counts) {
  using Merit = std::tuple<double, bool, double>;  // right in the bin, stops there, right over all
  std::array<std::vector<Merit>, 3> merits;
  for (const Choice& choice : choices) {
    std::array<double, 3> right = {}, problems = {};
    for (size_t i = 0; i < ease.size(); ++i)
      if (counts(i)) right[bin_of(ease[i])] += choice.correct[i], ++problems[bin_of(ease[i])];
    for (size_t bin = 0; bin < merits.size(); ++bin)
      merits[bin].emplace_back(right[bin], choice.name == kStop && problems[bin] > 0, right[0] + right[1] + right[2]);
  }
  std::array<size_t, 3> best = {};
  for (size_t bin = 0; bin < merits.size(); ++bin)
    best[bin] = static_cast<size_t>(std::ranges::max_element(merits[bin]) - merits[bin].begin());
  return best;
}

}  // namespace

std::array<size_t, 3> best_of_bins(std::span<const double> ease, std::span<const Choice> choices) {
  return best_of(ease, choices, [](size_t) { return true; });
}

Allocated allocate(std::span<const double> ease, std::span<const Choice> choices,
                   std::span<const std::string> clusters) {
  Allocated out;
  out.correct.resize(ease.size()), out.tokens.resize(ease.size());
  for (int half : {0, 1}) {
    const auto best = best_of(ease, choices, [&](size_t i) { return half_of(clusters[i]) != half; });
    for (size_t bin = 0; bin < best.size(); ++bin) out.bins[bin].chosen[static_cast<size_t>(half)] = best[bin];
    for (size_t i = 0; i < ease.size(); ++i) {
      if (half_of(clusters[i]) != half) continue;
      const size_t bin = bin_of(ease[i]);
      out.correct[i] = choices[best[bin]].correct[i], out.tokens[i] = choices[best[bin]].tokens[i];
      ++out.bins[bin].n;
    }
  }
  return out;
}

std::optional<search::AutoTable> auto_table(const base::Json& scaling, const std::vector<std::string>& instances) {
  const base::Json* allocation = scaling.find("allocation");
  const base::Json* rows = allocation ? allocation->find("table") : nullptr;
  if (!rows) return std::nullopt;
  const auto words = [](const std::string& name) -> std::string {
    if (name == kStop) return name;
    if (name == "bon") return "bon select=rm";
    return search::words_for_auto(name == "bon-wmaj" ? "bon select=wmaj" : name);
  };
  search::AutoTable table;
  table.probe = allocation->at("probe").as_int(), table.easy_at = kEasyAt, table.hard_at = kHardAt;
  for (const base::Json& row : rows->as_array()) {
    if (row.at("cannot_tell").size() > 0) continue;
    const auto of = [&](size_t bin) { return words(row.at(kBins[bin]).as_string()); };
    table.budgets.push_back({row.at("tokens").as_int(), of(0), of(1), of(2)});
  }
  if (table.budgets.empty()) return std::nullopt;
  for (const std::string& instance : instances) table.learned_on.push_back(search::instance_id(instance));
  std::ranges::sort(table.learned_on);
  const auto [first, last] = std::ranges::unique(table.learned_on);
  table.learned_on.erase(first, last);
  return table;
}

}  // namespace ponder::eval
