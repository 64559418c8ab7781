#include "ponder/eval/scaling.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <optional>

#include "ponder/base/error.h"
#include "ponder/eval/scaling_laws.h"
#include "ponder/eval/scaling_signals.h"
#include "ponder/eval/statistics.h"

namespace ponder::eval {

using base::Json;

namespace {

constexpr const char* kPool = "samples";

// The searches of one strategy at one budget, in the order of the problems.
struct Group {
  std::string strategy;
  int64_t budget = 0;
  std::vector<const ScalingRow*> rows;
};

// A curve's point: what is right a problem, and what it cost.
struct Outcomes {
  std::vector<double> correct;
  double generated = 0, read = 0;  // means
};

class Study {
 public:
  Study(const std::vector<ScalingRow>& rows, const ScalingSetup& setup) : setup_(setup) {
    for (const ScalingRow& row : rows) {
      const auto same = [&](const Group& g) { return g.strategy == row.strategy && g.budget == row.budget; };
      auto group = std::ranges::find_if(groups_, same);
      if (group == groups_.end()) group = groups_.insert(groups_.end(), {row.strategy, row.budget, {}});
      group->rows.push_back(&row);
      if (row.error.empty()) continue;
      ++errors_[row.strategy];
      if (first_error_.empty()) first_error_ = base::cat(row.strategy, ", ", row.problem, ": ", row.error);
    }
    for (Group& group : groups_) std::ranges::stable_sort(group.rows, {}, &ScalingRow::problem);
    // Comparisons are paired: problems that some search has not answered yet, or failed on, count nowhere.
    for (const ScalingRow* row : groups_.empty() ? std::vector<const ScalingRow*>{} : groups_[0].rows) {
      const bool everywhere = std::ranges::all_of(groups_, [&](const Group& g) {
        return std::ranges::any_of(g.rows,
                                   [&](const ScalingRow* r) { return r->problem == row->problem && r->error.empty(); });
      });
      if (everywhere) problems_.push_back(row->problem), clusters_.push_back(row->cluster);
    }
    for (Group& group : groups_)
      std::erase_if(group.rows,
                    [&](const ScalingRow* r) { return std::ranges::find(problems_, r->problem) == problems_.end(); });
  }

  Json json() {
    Json out = Json::object();
    out["kind"] = "scaling", out["model"] = setup_.model, out["task"] = setup_.task, out["seed"] = setup_.seed;
    out["n"] = static_cast<int64_t>(problems_.size());
    out["setup"] = setup_.more;
    Json budgets = Json::array();
    for (int64_t budget : setup_.budgets) budgets.push_back(budget);
    out["budgets"] = std::move(budgets);
    Json errors = Json::object();
    for (const auto& [strategy, failed] : errors_) errors[strategy] = failed;
    out["errors"] = std::move(errors);
    if (problems_.empty()) {
      out["sentences"] = Json::array();
      out["sentences"].push_back("No problem has been answered by every search yet.");
      if (!first_error_.empty()) out["sentences"].push_back(first_error_);
      return out;
    }
    out["curves"] = curves();
    out["comparisons"] = comparisons();
    out["pass_at_k"] = pass_rows();
    out["coverage"] = coverage();
    out["over_optimisation"] = over_optimisation();
    out["allocation"] = allocation();
    out["signals"] = signals();
    out["sentences"] = sentences(out);
    return out;
  }

 private:
  base::RngKey key(const std::string& what) const { return base::RngKey(0).child("scaling").child(what); }

  // The run of a strategy with this budget, or the next larger one; null when there is none. Those of one sample need
  // no budget, and have 0.
  const Group* find(const std::string& strategy, int64_t budget = 0) const {
    const Group* best = nullptr;
    for (const Group& g : groups_)
      if (g.strategy == strategy && (g.budget >= budget || g.budget == 0) && (!best || g.budget < best->budget))
        best = &g;
    return best;
  }
  // The largest run that `tokens` pay for.
  const Group* find_within(const std::string& strategy, int64_t tokens) const {
    const Group* best = nullptr;
    for (const Group& g : groups_)
      if (g.strategy == strategy && g.budget <= tokens && (!best || g.budget > best->budget)) best = &g;
    return best;
  }
  // Whether its point at this budget is read off a larger run.
  bool is_read_off(const std::string& name, int64_t budget) const {
    if (shares_pool(name)) return false;
    const Group* own = find(name, budget);
    return own && own->budget != budget && own->budget != 0;
  }

  // Curves by name: the sampling family out of the pool, then the other strategies.
  std::vector<std::string> names() const {
    std::vector<std::string> names;
    if (find("greedy")) names.emplace_back("greedy");
    if (find(kPool)) names.insert(names.end(), {"majority", "bon", "bon-wmaj", "random"});
    for (const Group& g : groups_)
      if (g.strategy != kPool && std::ranges::find(names, g.strategy) == names.end()) names.push_back(g.strategy);
    return names;
  }

  bool shares_pool(const std::string& name) const {
    return find(kPool) && (name == "majority" || name == "bon" || name == "bon-wmaj" || name == "random");
  }

  // One search within a budget: as it ended, where it ended by then; otherwise by what it had found.
  static AtBudget within(const ScalingRow& row, int64_t budget) {
    const double generated = static_cast<double>(row.generated), read = static_cast<double>(row.read);
    if (row.generated + row.read <= budget) return {generated, read, row.correct};
    AtBudget at = at_budget(row.found, row.select, budget, true);
    at.generated = static_cast<double>(budget) - at.read;  // what it spends between two answers is spent all the same
    return at;
  }

  static AtBudget chosen_from_pool(const ScalingRow& row, const std::string& name, int64_t budget) {
    const std::string rule = name == "majority" ? "maj" : name == "bon" ? "rm" : name == "bon-wmaj" ? "wmaj" : "random";
    return at_budget(row.found, rule, budget, rule == "rm" || rule == "wmaj");
  }

  // How strategy `name` does when `budget` tokens may be spent; nothing when it was run with less alone.
  std::optional<Outcomes> outcomes(const std::string& name, int64_t budget) const {
    const Group* own = shares_pool(name) ? find(kPool) : find(name, budget);
    if (!own) return std::nullopt;
    Outcomes out;
    for (const ScalingRow* row : own->rows) {
      const AtBudget at = shares_pool(name) ? chosen_from_pool(*row, name, budget) : within(*row, budget);
      out.correct.push_back(at.correct ? 1 : 0);
      out.generated += at.generated, out.read += at.read;
    }
    out.generated /= static_cast<double>(own->rows.size()), out.read /= static_cast<double>(own->rows.size());
    return out;
  }

  Json curves() const {
    Json curves = Json::array();
    for (const std::string& name : names())
      for (int64_t budget : setup_.budgets) {
        const std::optional<Outcomes> o = outcomes(name, budget);
        if (!o) continue;
        Json point = estimate(clustered_mean(o->correct, clusters_, key("curves")));
        point["strategy"] = name, point["budget"] = budget;
        point["tokens_per_problem"] = o->generated, point["critic_tokens_per_problem"] = o->read;
        point["anytime"] = is_read_off(name, budget);
        point["control"] = name == "random";
        curves.push_back(std::move(point));
      }
    return curves;
  }

  // Each that was run with a budget against the vote at the same one. What is read off a larger run is no fair
  // opponent: with the smaller budget it might have ended otherwise.
  Json comparisons() const {
    Json list = Json::array();
    for (int64_t budget : setup_.budgets) {
      const std::optional<Outcomes> vote = outcomes("majority", budget);
      if (!vote) continue;
      for (const std::string& name : names()) {
        const std::optional<Outcomes> o = outcomes(name, budget);
        if (name == "majority" || !o || is_read_off(name, budget)) continue;
        Json row = estimate(paired_difference(o->correct, vote->correct, clusters_, key("pairs")));
        row["strategy"] = name, row["budget"] = budget;
        row["tokens_more"] = o->generated + o->read - vote->generated - vote->read;
        list.push_back(std::move(row));
      }
    }
    return list;
  }

  // Of how many problems the pool ended before this budget was spent, so that a vote had less to spend than its rivals.
  double pool_ended_early(int64_t budget) const {
    const Group* pool = find(kPool);
    if (!pool) return 0;
    double early = 0;
    for (const ScalingRow* row : pool->rows) {
      const double each =
          static_cast<double>(row->generated) / static_cast<double>(std::max<size_t>(1, row->found.size()));
      early += static_cast<double>(row->generated) + each < static_cast<double>(budget);
    }
    return early / static_cast<double>(pool->rows.size());
  }

  std::vector<PoolSample> pool_of(const ScalingRow& row) const {
    std::vector<PoolSample> pool;
    for (const Found& f : row.found) pool.push_back({f.answer, f.answered, f.correct, f.score});
    return pool;
  }

  // All problems have pools of one size: what the smallest holds.
  int64_t pool_size() const {
    const Group* pool = find(kPool);
    if (!pool) return 0;
    size_t least = pool->rows[0]->found.size();
    for (const ScalingRow* row : pool->rows) least = std::min(least, row->found.size());
    return static_cast<int64_t>(least);
  }

  std::vector<int64_t> pool_ks() const {
    std::vector<int64_t> ks;
    for (int64_t k = 1; k <= pool_size(); k *= 2) ks.push_back(k);
    return ks;
  }

  using Rule = std::function<double(const std::vector<PoolSample>& pool, int64_t k)>;
  std::vector<double> over_pool(int64_t k, const Rule& rule) const {
    std::vector<double> values;
    for (const ScalingRow* row : find(kPool)->rows) values.push_back(rule(pool_of(*row), k));
    return values;
  }
  static double pass(const std::vector<PoolSample>& pool, int64_t k) {
    return pass_at_k(static_cast<int64_t>(pool.size()), std::ranges::count(pool, true, &PoolSample::correct), k);
  }
  static double best(const std::vector<PoolSample>& pool, int64_t k) { return best_of_k(pool, k); }

  Json pass_rows() const {
    Json list = Json::array();
    for (int64_t k : pool_ks()) {
      double tokens = 0;
      for (const ScalingRow* row : find(kPool)->rows)
        tokens += static_cast<double>(row->generated) / static_cast<double>(std::max<size_t>(1, row->found.size()));
      Json point = estimate(clustered_mean(over_pool(k, pass), clusters_, key("pass")));
      point["k"] = k, point["samples"] = pool_size();
      point["tokens_per_problem"] = tokens / static_cast<double>(problems_.size()) * static_cast<double>(k);
      point["majority"] = mean(over_pool(k, [](const auto& pool, int64_t m) { return majority_at_k(pool, m); })).value;
      point["best"] = mean(over_pool(k, best)).value;
      list.push_back(std::move(point));
    }
    return list;
  }

  // Of resamples of the clusters: percentiles of what `figure` gives, where that is finite.
  Json interval_of(const std::function<double(const std::vector<size_t>& problems)>& figure,
                   const std::string& what) const {
    std::map<std::string, std::vector<size_t>> by_cluster;
    for (size_t i = 0; i < clusters_.size(); ++i) by_cluster[clusters_[i]].push_back(i);
    std::vector<const std::vector<size_t>*> groups;
    for (const auto& [name, members] : by_cluster) groups.push_back(&members);
    base::Rng rng(key(what));
    std::vector<double> values;
    int64_t none = 0;
    constexpr int kDraws = 400;
    for (int draw = 0; draw < kDraws; ++draw) {
      std::vector<size_t> sample;
      for (size_t i = 0; i < groups.size(); ++i) {
        const auto& members = *groups[static_cast<size_t>(rng.below(static_cast<int64_t>(groups.size())))];
        sample.insert(sample.end(), members.begin(), members.end());
      }
      const double value = figure(sample);
      if (std::isfinite(value))
        values.push_back(value);
      else
        ++none;
    }
    std::ranges::sort(values);
    Json interval = Json::object();
    const auto at = [&](double q) {
      return values.empty() ? Json() : Json(values[static_cast<size_t>(q * static_cast<double>(values.size() - 1))]);
    };
    interval["lo"] = at(0.025), interval["hi"] = at(0.975);
    interval["without"] = static_cast<double>(none) / kDraws;
    return interval;
  }

  // Points (k, mean over these problems) of what a rule gives.
  using Table = std::vector<std::vector<double>>;  // [k][problem]
  std::vector<std::pair<double, double>> points(const Table& table, const std::vector<size_t>& problems) const {
    const std::vector<int64_t> ks = pool_ks();
    std::vector<std::pair<double, double>> points;
    for (size_t i = 0; i < ks.size(); ++i) {
      double sum = 0;
      for (size_t p : problems) sum += table[i][p];
      points.emplace_back(static_cast<double>(ks[i]), sum / static_cast<double>(problems.size()));
    }
    return points;
  }

  std::vector<size_t> all_problems() const {
    std::vector<size_t> all(problems_.size());
    for (size_t i = 0; i < all.size(); ++i) all[i] = i;
    return all;
  }

  Json coverage() const {
    Json out = Json::object();
    if (pool_ks().size() < 2) return out;
    Table table;
    for (int64_t k : pool_ks()) table.push_back(over_pool(k, pass));
    const auto seen = points(table, all_problems());
    const CoverageLaw law = fit_coverage(seen);
    out["fitted"] = law.fitted();
    if (!law.fitted()) return out;
    out["a"] = law.a, out["b"] = law.b;
    out["b_interval"] = interval_of(
        [&](const auto& sample) {
          const CoverageLaw again = fit_coverage(points(table, sample));
          return again.fitted() ? again.b : std::nan("");
        },
        "coverage");
    double worst = 0;
    for (const auto& [k, c] : seen) worst = std::max(worst, std::abs(law.at(k) - c));
    out["worst_error"] = worst;
    // The honest test of a law: fitted to the smaller half of the ks, what does it say of the largest one?
    auto half = seen;
    half.resize((seen.size() + 1) / 2);
    const CoverageLaw early = fit_coverage(half);
    if (early.fitted() && half.size() < seen.size()) {
      out["early_k"] = half.back().first, out["predicted_k"] = seen.back().first;
      out["predicted"] = early.at(seen.back().first), out["measured"] = seen.back().second;
    }
    return out;
  }

  // What best-of-n by score gains as n grows: a proxy's score is always higher then, the accuracy may not be.
  Json over_optimisation() const {
    Json out = Json::object();
    if (pool_ks().size() < 3) return out;
    Table table;
    for (int64_t k : pool_ks()) table.push_back(over_pool(k, best));
    const auto gains = [&](const std::vector<size_t>& problems) {
      auto seen = points(table, problems);
      const double first = seen[0].second;
      for (auto& [n, reward] : seen) reward -= first;
      return seen;
    };
    const auto seen = gains(all_problems());
    const OverOptimisation fit = fit_over_optimisation(seen);
    out["fitted"] = fit.fitted();
    if (!fit.fitted()) return out;
    const auto top = std::ranges::max_element(seen, {}, &std::pair<double, double>::second);
    out["alpha"] = fit.alpha, out["beta"] = fit.beta;
    out["best_k"] = top->first, out["best_gain"] = top->second, out["last_k"] = seen.back().first;
    out["last_gain"] = seen.back().second;
    const double peak = fit.alpha > 0 ? samples_at(fit.peak()) : fit.beta >= 0 ? 1 : std::nan("");
    out["peak_k"] = std::isfinite(peak) ? Json(peak) : Json();
    out["fall"] = estimate(paired_difference(table.back(), table[static_cast<size_t>(top - seen.begin())], clusters_,
                                             key("over-optimisation")));
    out["beta_interval"] = interval_of(
        [&](const auto& sample) {
          const OverOptimisation again = fit_over_optimisation(gains(sample));
          return again.fitted() ? again.beta : std::nan("");
        },
        "beta");
    return out;
  }

  // Compute-optimal allocation (Snell et al. 2024, §3.2): problems fall into bins by how well the first samples of the
  // pool agree; each bin gets the strategy that did best on it in the other half of the problems. Of the budget the
  // probe's tokens are gone. Beside it bins by pass@1, which nobody knows beforehand.
  Json allocation() const {
    Json out = Json::object();
    const Group* pool = find(kPool);
    const int64_t budget = setup_.budgets.back();
    if (!pool || pool_size() < setup_.probe) return out;
    const size_t n = problems_.size();
    std::vector<double> probe_tokens(n), agreement(n), ease(n);
    for (size_t i = 0; i < n; ++i) {
      const std::vector<Found>& found = pool->rows[i]->found;
      std::map<std::string, int> votes;
      double most = 0;
      for (int64_t s = 0; s < setup_.probe; ++s) {
        const Found& f = found[static_cast<size_t>(s)];
        if (f.answered) most = std::max(most, static_cast<double>(++votes[f.answer]));
        probe_tokens[i] = static_cast<double>(f.generated);
      }
      agreement[i] = most / static_cast<double>(setup_.probe);
      for (const Found& f : found) ease[i] += f.correct ? 1.0 / static_cast<double>(found.size()) : 0;
    }
    std::vector<std::string> choices;
    for (const std::string& name : names())
      if (name != "random" && outcomes(name, budget) && !is_read_off(name, budget)) choices.push_back(name);
    std::vector<std::vector<double>> with_probe(choices.size()), whole(choices.size());  // [choice][problem]
    for (size_t c = 0; c < choices.size(); ++c) {
      whole[c] = outcomes(choices[c], budget)->correct;
      for (size_t i = 0; i < n; ++i) with_probe[c].push_back(with_less(choices[c], i, budget, probe_tokens[i]));
    }
    out["budget"] = budget, out["probe"] = setup_.probe;
    out["predicted"] = allocate(agreement, with_probe, choices);
    out["by_difficulty"] = allocate(ease, whole, choices);
    size_t fixed = 0;
    std::vector<double> means;
    for (const auto& correct : whole) means.push_back(mean(correct).value);
    fixed = static_cast<size_t>(std::ranges::max_element(means) - means.begin());
    out["best_fixed"] = choices[fixed], out["best_fixed_accuracy"] = means[fixed];
    out["gain"] = estimate(paired_difference(last_allocated_, whole[fixed], clusters_, key("allocation")));
    return out;
  }

  // Problem i by a strategy that has `less` tokens fewer: by the largest run that the rest pays for.
  double with_less(const std::string& name, size_t i, int64_t budget, double less) const {
    // The probe's samples are the first of the pool: they vote, nothing is lost.
    if (shares_pool(name)) return chosen_from_pool(*find(kPool)->rows[i], name, budget).correct ? 1 : 0;
    const auto rest = budget - static_cast<int64_t>(less);
    const ScalingRow& row = *find(name, budget)->rows[i];
    if (row.generated + row.read <= rest) return row.correct ? 1 : 0;
    const Group* smaller = find_within(name, rest);
    return smaller && smaller->rows[i]->correct ? 1 : 0;
  }

  // Two-fold: what one half says is best for a bin is used in the other half. Leaves what is right in last_allocated_
  // (of the predicted bins, which are asked for first).
  Json allocate(const std::vector<double>& signal, const std::vector<std::vector<double>>& correct,
                const std::vector<std::string>& choices) const {
    const size_t n = signal.size();
    const auto bin_of = [&](size_t i) { return signal[i] >= 0.999 ? 0 : signal[i] >= 0.5 ? 1 : 2; };
    const auto fold_of = [&](size_t i) { return base::hash64(clusters_[i]) % 2; };
    std::vector<double> right(n);
    Json bins = Json::array();
    for (int bin = 0; bin < 3; ++bin) {
      std::array<size_t, 2> chosen{};
      int64_t size = 0;
      for (uint64_t fold : {0, 1}) {
        // Ties, and bins that the other half has no problem of, go to what is best there over all bins.
        std::vector<std::pair<double, double>> sums(choices.size());  // of the bin, of all
        for (size_t i = 0; i < n; ++i)
          if (fold_of(i) != fold)
            for (size_t c = 0; c < choices.size(); ++c)
              sums[c].first += bin_of(i) == bin ? correct[c][i] : 0, sums[c].second += correct[c][i];
        chosen[fold] = static_cast<size_t>(std::ranges::max_element(sums) - sums.begin());
        for (size_t i = 0; i < n; ++i)
          if (bin_of(i) == bin && fold_of(i) == fold) right[i] = correct[chosen[fold]][i], ++size;
      }
      Json row = Json::object();
      row["bin"] = bin == 0 ? "easy" : bin == 1 ? "middle" : "hard", row["n"] = size;
      Json picks = Json::array();
      for (size_t c : chosen)
        if (size > 0) picks.push_back(choices[c]);
      row["chosen"] = std::move(picks);
      bins.push_back(std::move(row));
    }
    if (last_allocated_.empty()) last_allocated_ = right;
    Json out = estimate(clustered_mean(right, clusters_, key("allocated")));
    out["bins"] = std::move(bins);
    return out;
  }

  // Of the pool's answers, and of those of searches with a guide that was named, each at its largest budget.
  Json signals() const {
    std::vector<Signal> signals;
    if (const Group* pool = find(kPool)) signals = signals_of_pool(pool->rows, key("signals"));
    for (const Group& g : groups_)
      if (g.strategy != kPool && find_within(g.strategy, std::numeric_limits<int64_t>::max()) == &g)
        signals.push_back(signal_of_guide(g.rows));
    return signals_json(signals, key("signals"));
  }

  static Json estimate(const Estimate& e) {
    Json json = Json::object();
    json["accuracy"] = e.value, json["stderr"] = e.std_error, json["ci_lo"] = e.ci.lo, json["ci_hi"] = e.ci.hi;
    json["n"] = e.n;
    return json;
  }

  static std::string points_text(const Json& e) {
    const auto text = [](double v) { return base::cat(v > 0 ? "+" : "", base::fixed(100 * v, 1)); };
    return base::cat(text(e.at("accuracy").as_double()), " points [", text(e.at("ci_lo").as_double()), ", ",
                     text(e.at("ci_hi").as_double()), "]");
  }

  static std::string best_sentence(const Json& out, int64_t budget) {
    const Json* best = nullptr;
    for (const Json& point : out.at("curves").as_array())
      if (point.at("budget").as_int() == budget && !point.at("control").as_bool() && !point.at("anytime").as_bool() &&
          (!best || point.at("accuracy").as_double() > best->at("accuracy").as_double()))
        best = &point;
    if (!best) return base::cat("At ", budget, " tokens nothing was run by itself.");
    const std::string& name = best->at("strategy").as_string();
    std::string text = base::cat("At ", budget, " tokens ", name, " has the highest accuracy, ",
                                 base::fixed(100 * best->at("accuracy").as_double(), 1), "%");
    for (const Json& row : out.at("comparisons").as_array()) {
      if (row.at("budget").as_int() != budget || row.at("strategy").as_string() != name) continue;
      const bool clear = row.at("ci_lo").as_double() > 0 || row.at("ci_hi").as_double() < 0;
      text += base::cat(", ", points_text(row), " to the vote", clear ? "" : ": not shown to beat it");
    }
    return text + ".";
  }

  // What a reader should take away; a difference is called one only where its interval leaves out zero.
  Json sentences(const Json& out) const {
    Json list = Json::array();
    for (int64_t budget : setup_.budgets) list.push_back(best_sentence(out, budget));
    const double early = pool_ended_early(setup_.budgets.back());
    if (early > 0)
      list.push_back(base::cat("The pool of samples ended before ", setup_.budgets.back(), " tokens were spent on ",
                               base::fixed(100 * early, 0),
                               "% of the problems: there the vote and best-of-n had less to spend "
                               "than the others. A larger --pool, or none, mends that."));
    for (const auto& [strategy, failed] : errors_)
      list.push_back(base::cat(strategy, " failed on ", failed, failed == 1 ? " problem" : " problems",
                               ", which count nowhere: ", first_error_));
    int64_t above = 0, below = 0, same = 0;
    for (const Json& row : out.at("comparisons").as_array()) {
      if (row.at("budget").as_int() != setup_.budgets.back() || row.at("strategy").as_string() == "random") continue;
      ++(row.at("ci_lo").as_double() > 0 ? above : row.at("ci_hi").as_double() < 0 ? below : same);
    }
    if (above + below + same > 0)
      list.push_back(base::cat("Of ", above + below + same, " strategies at ", setup_.budgets.back(), " tokens ", above,
                               above == 1 ? " is" : " are", " above the vote, ", below, " below it, and ", same,
                               " cannot be told from it (95% intervals, paired, not corrected for their number)."));
    const Json& law = out.at("coverage");
    if (law.find("predicted"))
      list.push_back(base::cat("Coverage follows exp(", base::fixed(law.at("a").as_double(), 2), "·k^",
                               base::fixed(law.at("b").as_double(), 2), "); fitted up to ",
                               static_cast<int64_t>(law.at("early_k").as_double()), " samples it predicts ",
                               base::fixed(100 * law.at("predicted").as_double(), 1), "% for ",
                               static_cast<int64_t>(law.at("predicted_k").as_double()), ", and ",
                               base::fixed(100 * law.at("measured").as_double(), 1), "% is measured."));
    const Json& over = out.at("over_optimisation");
    if (over.find("best_k")) {
      const bool falls = over.at("fall").at("ci_hi").as_double() < 0;
      list.push_back(
          falls
              ? base::cat("Best-of-n by score is over-optimised: best at n = ", over.at("best_k").as_double(), ", and ",
                          points_text(over.at("fall")), " from there to n = ", over.at("last_k").as_double(), ".")
              : base::cat(
                    "Best-of-n by score is not shown to be over-optimised up to n = ", over.at("last_k").as_double(),
                    " (", points_text(over.at("fall")), " from its best n = ", over.at("best_k").as_double(), ")."));
    }
    const Json& allocation = out.at("allocation");
    if (allocation.find("gain"))
      list.push_back(
          base::cat("Choosing a strategy by predicted difficulty, the probe paid for, against the best fixed one (",
                    allocation.at("best_fixed").as_string(), "): ", points_text(allocation.at("gain")), "."));
    if (const std::string said = signals_sentence(out.at("signals")); !said.empty()) list.push_back(said);
    return list;
  }

  const ScalingSetup& setup_;
  std::vector<Group> groups_;
  std::vector<std::string> problems_, clusters_;  // of the problems that every search answered
  std::map<std::string, int64_t> errors_;         // of searches, by strategy
  std::string first_error_;
  mutable std::vector<double> last_allocated_;
};

}  // namespace

Json scaling_json(const std::vector<ScalingRow>& rows, const ScalingSetup& setup) { return Study(rows, setup).json(); }

}  // namespace ponder::eval
