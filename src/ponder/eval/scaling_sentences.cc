#include "ponder/eval/scaling_sentences.h"

#include "ponder/base/cat.h"
#include "ponder/eval/scaling_mix.h"
#include "ponder/eval/scaling_shift.h"
#include "ponder/eval/scaling_signals.h"

namespace ponder::eval {

using base::Json;

namespace {

std::string points_text(const Json& e) {
  const auto text = [](double v) { return base::cat(v > 0 ? "+" : "", base::fixed(100 * v, 1)); };
  return base::cat(text(e.at("accuracy").as_double()), " points [", text(e.at("ci_lo").as_double()), ", ",
                   text(e.at("ci_hi").as_double()), "]");
}

std::string best_sentence(const Json& study, int64_t budget) {
  const Json* best = nullptr;
  for (const Json& point : study.at("curves").as_array())
    if (point.at("budget").as_int() == budget && !point.at("control").as_bool() && !point.at("anytime").as_bool() &&
        (!best || point.at("accuracy").as_double() > best->at("accuracy").as_double()))
      best = &point;
  if (!best) return base::cat("At ", budget, " tokens nothing was run by itself.");
  const std::string& name = best->at("strategy").as_string();
  std::string text = base::cat("At ", budget, " tokens ", name, " has the highest accuracy, ",
                               base::fixed(100 * best->at("accuracy").as_double(), 1), "%");
  for (const Json& row : study.at("comparisons").as_array()) {
    if (row.at("budget").as_int() != budget || row.at("strategy").as_string() != name) continue;
    const bool clear = row.at("ci_lo").as_double() > 0 || row.at("ci_hi").as_double() < 0;
    text += base::cat(", ", points_text(row), " to the vote", clear ? "" : ": not shown to beat it");
  }
  return text + ".";
}

std::string comparisons_sentence(const Json& study, int64_t budget) {
  int64_t above = 0, below = 0, same = 0;
  for (const Json& row : study.at("comparisons").as_array()) {
    if (row.at("budget").as_int() != budget || row.at("strategy").as_string() == "random") continue;
    ++(row.at("ci_lo").as_double() > 0 ? above : row.at("ci_hi").as_double() < 0 ? below : same);
  }
  if (above + below + same == 0) return "";
  return base::cat("Of ", above + below + same, " strategies at ", budget, " tokens ", above,
                   above == 1 ? " is" : " are", " above the vote, ", below, " below it, and ", same,
                   " cannot be told from it (95% intervals, paired, not corrected for their number).");
}

std::string coverage_sentence(const Json& law) {
  if (!law.find("predicted")) return "";
  return base::cat("Coverage follows exp(", base::fixed(law.at("a").as_double(), 2), "·k^",
                   base::fixed(law.at("b").as_double(), 2), "); fitted up to ",
                   static_cast<int64_t>(law.at("early_k").as_double()), " samples it predicts ",
                   base::fixed(100 * law.at("predicted").as_double(), 1), "% for ",
                   static_cast<int64_t>(law.at("predicted_k").as_double()), ", and ",
                   base::fixed(100 * law.at("measured").as_double(), 1), "% is measured.");
}

std::string over_optimisation_sentence(const Json& over) {
  if (!over.find("best_k")) return "";
  const double best = over.at("best_k").as_double(), last = over.at("last_k").as_double();
  const std::string fall = points_text(over.at("fall"));
  if (over.at("fall").at("ci_hi").as_double() < 0)
    return base::cat("Best-of-n by score is over-optimised: best at n = ", best, ", and ", fall,
                     " from there to n = ", last, ".");
  return base::cat("Best-of-n by score is not shown to be over-optimised up to n = ", last, " (", fall,
                   " from its best n = ", best, ").");
}

std::string allocation_sentence(const Json& allocation) {
  if (!allocation.find("gain")) return "";
  int64_t above = 0, below = 0;
  for (const Json& row : allocation.at("against").as_array())
    above += row.at("ci_lo").as_double() > 0, below += row.at("ci_hi").as_double() < 0;
  const auto all = static_cast<int64_t>(allocation.at("against").size());
  std::string text =
      base::cat("Choosing a strategy by predicted difficulty, the probe paid for, against the best fixed one (",
                allocation.at("best_fixed").as_string(),
                ", picked on all of these problems in hindsight): ", points_text(allocation.at("gain")), ", with ",
                base::fixed(allocation.at("predicted").at("tokens_per_problem").as_double(), 0),
                " tokens a problem against ", base::fixed(allocation.at("best_fixed_tokens").as_double(), 0), ". Of ",
                all, all == 1 ? " fixed strategy" : " fixed strategies", " it is above ", above, ", below ", below,
                ", and cannot be told from ", all - above - below,
                ". It is a lower bound: behind the probe every search, the vote too, is read off where it stood with "
                "what the probe had left, without the probe's answers");
  for (const auto& [strategy, share] : allocation.at("unknown").as_object())
    text += base::cat("; ", strategy, " counts as wrong on ", base::fixed(100 * share.as_double(), 0),
                      "% of the problems, where nothing is known of it");
  return text + ".";
}

std::string learned_sentence(const Json& allocation) {
  if (!allocation.find("table")) return "";
  bool learned = false;
  std::string left_out;
  for (const Json& row : allocation.at("table").as_array()) {
    std::string names;
    for (const Json& name : row.at("cannot_tell").as_array())
      names += base::cat(names.empty() ? "" : ", ", name.as_string());
    learned |= names.empty();
    if (!names.empty())
      left_out += base::cat(left_out.empty() ? "" : "; ", "at ", row.at("tokens").as_int(), " tokens of ", names);
  }
  std::string text = learned ? "The table for auto is learned on all of these problems and must not be scored on them."
                             : "No table for auto is learned.";
  if (!left_out.empty())
    text += base::cat(
        " It ", learned ? "lacks" : "would lack", " the budgets at which nothing is known, on most problems, ",
        "of some strategy with what the probe had left (", left_out,
        "): run the study without --anytime and with a smaller budget too, or leave these strategies out.");
  return text;
}

}  // namespace

Json scaling_sentences(const Json& study, double pool_ended_early,
                       const std::map<std::string, std::string>& first_errors) {
  Json list = Json::array();
  const auto add = [&](const std::string& sentence) {
    if (!sentence.empty()) list.push_back(sentence);
  };
  for (const Json& budget : study.at("budgets").as_array()) add(best_sentence(study, budget.as_int()));
  const int64_t largest = study.at("budgets").as_array().back().as_int();
  if (pool_ended_early > 0)
    add(base::cat("The pool of samples ended before ", largest, " tokens were spent on ",
                  base::fixed(100 * pool_ended_early, 0),
                  "% of the problems: there the vote and best-of-n had less to spend than the others. A larger --pool, "
                  "or none, mends that."));
  for (const auto& [strategy, failed] : study.at("errors").as_object())
    add(base::cat(strategy, " failed on ", failed.as_int(), failed.as_int() == 1 ? " problem" : " problems",
                  ", which count nowhere: ", first_errors.at(strategy)));
  add(comparisons_sentence(study, largest));
  add(coverage_sentence(study.at("coverage")));
  add(over_optimisation_sentence(study.at("over_optimisation")));
  add(allocation_sentence(study.at("allocation")));
  add(learned_sentence(study.at("allocation")));
  add(signals_sentence(study.at("signals")));
  add(mix_sentence(study.at("mix")));
  add(shift_sentence(study.at("shift")));
  return list;
}

}  // namespace ponder::eval
