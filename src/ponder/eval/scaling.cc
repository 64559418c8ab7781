#include "ponder/eval/scaling.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <optional>

#include "ponder/base/error.h"
#include "ponder/eval/flips.h"
#include "ponder/eval/scaling_allocation.h"
#include "ponder/eval/scaling_laws.h"
#include "ponder/eval/scaling_mix.h"
#include "ponder/eval/scaling_sentences.h"
#include "ponder/eval/scaling_shift.h"
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

constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();
Json known(double value) { return std::isfinite(value) ? Json(value) : Json(); }

// A curve's point: what is right a problem, and what it cost, in means.
struct Outcomes {
  std::vector<double> correct, tokens;  // [problem]
  double generated = 0, read = 0;
  double flops = 0;  // kUnknown where one problem's is
};

class Study {
 public:
  Study(const std::vector<ScalingRow>& rows, const ScalingSetup& setup, const std::vector<ScalingRow>& shift)
      : setup_(setup) {
    for (const ScalingRow& row : shift) {
      if (row.error.empty())
        shift_.push_back(&row);
      else
        note_error(base::cat(row.strategy, " of ", setup.shift), row);
    }
    for (const ScalingRow& row : rows) {
      const auto same = [&](const Group& g) { return g.strategy == row.strategy && g.budget == row.budget; };
      auto group = std::ranges::find_if(groups_, same);
      if (group == groups_.end()) group = groups_.insert(groups_.end(), {row.strategy, row.budget, {}});
      group->rows.push_back(&row);
      if (!row.error.empty()) note_error(row.strategy, row);
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
      for (const auto& [strategy, error] : first_errors_) out["sentences"].push_back(error);
      return out;
    }
    out["curves"] = curves();
    out["comparisons"] = comparisons();
    out["pass_at_k"] = pass_rows();
    out["coverage"] = coverage();
    out["over_optimisation"] = over_optimisation();
    out["allocation"] = allocation();
    out["signals"] = signals();
    const Group* pool = find(kPool);
    out["mix"] = pool ? mix_json(pool->rows, key("mix")) : Json::object();
    out["shift"] = shift(out);
    out["sentences"] = scaling_sentences(out, pool_ended_early(setup_.budgets.back()), first_errors_);
    return out;
  }

 private:
  void note_error(const std::string& strategy, const ScalingRow& row) {
    ++errors_[strategy];
    first_errors_.try_emplace(strategy, base::cat(strategy, ", ", row.problem, ": ", row.error));
  }

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
    if (row.generated + row.read <= budget)
      return {generated, read, row.correct, row.costs ? row.costs->flops : kUnknown};
    AtBudget at = at_budget(row.found, row.select, budget, true);
    at.flops = kUnknown;                                   // between two answers nobody wrote them down
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
      out.correct.push_back(at.correct ? 1 : 0), out.tokens.push_back(at.generated + at.read);
      out.generated += at.generated, out.read += at.read, out.flops += at.flops;
    }
    const auto n = static_cast<double>(own->rows.size());
    out.generated /= n, out.read /= n, out.flops /= n;
    return out;
  }

  // What is known of searches that were run with this budget alone: of a point that is read off a larger search or off
  // the pool nobody knows the time, and how much the cache held.
  const Group* own_run(const std::string& name, int64_t budget) const {
    return shares_pool(name) || is_read_off(name, budget) ? nullptr : find(name, budget);
  }
  static void put_costs(const Group* own, Json& point) {
    const auto mean_of = [&](const std::function<double(const RowCosts&)>& figure) {
      if (!own) return kUnknown;
      double sum = 0;
      for (const ScalingRow* row : own->rows) sum += row->costs ? figure(*row->costs) : kUnknown;
      return sum / static_cast<double>(own->rows.size());
    };
    const auto d = [](int64_t n) { return static_cast<double>(n); };
    point["tokens_processed_per_problem"] = known(mean_of([&](const RowCosts& c) { return d(c.processed); }));
    point["tokens_unique_per_problem"] = known(mean_of([&](const RowCosts& c) { return d(c.unique); }));
    point["tokens_discarded_per_problem"] = known(mean_of([&](const RowCosts& c) { return d(c.discarded); }));
    point["tokens_recomputed_per_problem"] = known(mean_of([&](const RowCosts& c) { return d(c.recomputed); }));
    // Of what all searches of a batch took together each has an equal part.
    point["seconds_per_problem"] = known(mean_of([&](const RowCosts& c) { return c.batch_seconds / d(c.batch); }));
    int64_t peak = -1;
    if (own)
      for (const ScalingRow* row : own->rows)
        if (row->costs) peak = std::max(peak, row->costs->batch_kv_peak_bytes);
    point["kv_peak_bytes"] = peak < 0 ? Json() : Json(peak);
  }
  static std::vector<Flips> flips_of(const Group& own) {
    std::vector<Flips> rounds;
    for (const ScalingRow* row : own.rows) {
      std::vector<int64_t> revises;
      std::vector<bool> correct, cut;
      for (const Found& f : row->found)
        revises.push_back(f.revises), correct.push_back(f.correct), cut.push_back(f.cut);
      add_flips(revises, correct, cut, rounds);
    }
    return rounds;
  }

  Json curves() const {
    Json curves = Json::array();
    for (const std::string& name : names())
      for (int64_t budget : setup_.budgets) {
        const std::optional<Outcomes> o = outcomes(name, budget);
        if (!o) continue;
        Json point = estimate(clustered_mean(o->correct, clusters_, key("curves")));
        point["strategy"] = name, point["budget"] = budget;
        const Group* own = own_run(name, budget);
        point["tokens_per_problem"] = o->generated, point["critic_tokens_per_problem"] = o->read;
        point["flops_per_problem"] = known(o->flops);
        put_costs(own, point);
        if (own)
          if (const std::vector<Flips> rounds = flips_of(*own); !rounds.empty()) point["flips"] = flips_json(rounds);
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

  // Bins by how well the first samples of the pool agree, whose tokens are gone from the budget; beside them bins by
  // pass@1, which nobody knows beforehand.
  Json allocation() const {
    Json out = Json::object();
    const Group* pool = find(kPool);
    const int64_t budget = setup_.budgets.back();
    if (!pool || pool_size() < setup_.probe) return out;
    std::vector<double> ease;
    for (const ScalingRow* row : pool->rows) {
      double right = 0;
      for (const Found& f : row->found) right += f.correct ? 1 : 0;
      ease.push_back(right / static_cast<double>(row->found.size()));
    }
    out["budget"] = budget, out["probe"] = setup_.probe;
    const std::vector<Choice> probed = behind_probe(budget), fixed = at_full(budget);
    const Allocated allocated = allocate(agreement(budget), probed, clusters_);
    out["predicted"] = allocated_json(allocated, probed);
    out["by_difficulty"] = allocated_json(allocate(ease, fixed, clusters_), fixed);
    put_against(allocated, fixed, out);
    Json unknown = Json::object();
    for (const Choice& choice : probed)
      if (choice.unknown > 0) unknown[choice.name] = choice.unknown;
    out["unknown"] = std::move(unknown);
    Json table = Json::array();
    for (int64_t tokens : setup_.budgets) table.push_back(table_row(tokens));
    out["table"] = std::move(table);
    return out;
  }

  // Against each fixed strategy. Which of them is the best one is known in hindsight alone, of all problems.
  void put_against(const Allocated& allocated, const std::vector<Choice>& fixed, Json& out) const {
    Json against = Json::array();
    const Choice* best = nullptr;
    for (const Choice& choice : fixed) {
      Json row = estimate(paired_difference(allocated.correct, choice.correct, clusters_, key("allocation")));
      const double accuracy = mean(choice.correct).value, tokens = mean(choice.tokens).value;
      row["strategy"] = choice.name, row["fixed_accuracy"] = accuracy, row["fixed_tokens"] = tokens;
      if (!best || accuracy > mean(best->correct).value) {
        best = &choice;
        out["best_fixed"] = choice.name, out["best_fixed_accuracy"] = accuracy, out["best_fixed_tokens"] = tokens;
        out["gain"] = row;
      }
      against.push_back(std::move(row));
    }
    out["against"] = std::move(against);
  }

  // What all problems say of a budget: the best choice of each bin, how many problems the bin has, and the strategies
  // that the study cannot tell of there, because behind the probe most of what they would do is unknown.
  Json table_row(int64_t tokens) const {
    const std::vector<Choice> choices = behind_probe(tokens);
    const std::vector<double> ease = agreement(tokens);
    const auto best = best_of_bins(ease, choices);
    Json row = Json::object(), problems = Json::array(), cannot_tell = Json::array();
    row["tokens"] = tokens;
    for (size_t bin = 0; bin < kBins.size(); ++bin) {
      row[kBins[bin]] = choices[best[bin]].name;
      problems.push_back(std::ranges::count(ease, bin, bin_of));
    }
    for (const Choice& choice : choices)
      if (choice.unknown > 0.5) cannot_tell.push_back(choice.name);
    row["problems"] = std::move(problems), row["cannot_tell"] = std::move(cannot_tell);
    return row;
  }

  // Of the probe's samples those that this budget pays for.
  std::vector<Found> probe_of(const ScalingRow& pool, int64_t budget) const {
    std::vector<Found> probe(pool.found.begin(), pool.found.begin() + setup_.probe);
    std::erase_if(probe, [&](const Found& f) { return f.generated > budget; });
    return probe;
  }
  // As `auto` sees it: what the budget has cut off votes for nothing.
  std::vector<double> agreement(int64_t budget) const {
    std::vector<double> agreement;
    for (const ScalingRow* row : find(kPool)->rows) {
      std::map<std::string, int> votes;
      double most = 0;
      for (const Found& f : probe_of(*row, budget))
        if (f.answered) most = std::max(most, static_cast<double>(++votes[f.answer]));
      agreement.push_back(most / static_cast<double>(setup_.probe));
    }
    return agreement;
  }

  // `auto` is no fixed strategy, and can follow no probe: it is such a choice itself.
  static bool is_fixed(const std::string& name) {
    return name != "random" && name != "auto" && !name.starts_with("auto ");
  }

  // The fixed strategies that were run with this budget.
  std::vector<Choice> at_full(int64_t budget) const {
    std::vector<Choice> choices;
    for (const std::string& name : names()) {
      if (!is_fixed(name) || is_read_off(name, budget)) continue;
      if (const std::optional<Outcomes> o = outcomes(name, budget)) choices.push_back({name, o->correct, o->tokens});
    }
    return choices;
  }

  // What can follow a probe, its tokens gone, and the vote of the probe alone.
  std::vector<Choice> behind_probe(int64_t budget) const {
    std::vector<Choice> choices = {{kStop, {}, {}}};
    for (const std::string& name : names())
      if (is_fixed(name) && (shares_pool(name) || find(name, budget))) choices.push_back({name, {}, {}});
    const std::vector<const ScalingRow*>& pool = find(kPool)->rows;
    for (Choice& choice : choices) {
      for (size_t i = 0; i < pool.size(); ++i) {
        // A sample that the budget cuts off has taken what there was.
        const int64_t less = std::min(budget, pool[i]->found[static_cast<size_t>(setup_.probe) - 1].generated);
        AtBudget at;
        if (choice.name == kStop) {
          at = at_budget(probe_of(*pool[i], budget), "maj", budget, false);
        } else {
          const std::optional<AtBudget> rest = with_rest(choice.name, i, budget, budget - less);
          // What does not pay for one more sample pays for no search.
          if (!rest && (budget - less) * setup_.probe >= less) ++choice.unknown;
          at = rest.value_or(AtBudget{static_cast<double>(budget - less), 0, false});
          at.generated += static_cast<double>(less);
        }
        choice.correct.push_back(at.correct ? 1 : 0), choice.tokens.push_back(at.generated + at.read);
      }
      choice.unknown /= static_cast<double>(pool.size());
    }
    return choices;
  }

  // What a strategy does with the `rest` of a budget, read off the same way for all, the pool too: where it stood when
  // it had spent so much, without the probe's answers, which `auto` adds. That is a lower bound: told of the smaller
  // budget it might have ended better. Where it had no answer by then, by the largest run that the rest pays for;
  // nothing is known where there is none.
  std::optional<AtBudget> with_rest(const std::string& name, size_t i, int64_t budget, int64_t rest) const {
    if (shares_pool(name)) return chosen_from_pool(*find(kPool)->rows[i], name, rest);
    const ScalingRow& row = *find(name, budget)->rows[i];
    const bool told = row.generated + row.read <= rest || std::ranges::any_of(row.found, [&](const Found& f) {
                        return f.answered && f.generated + f.read <= rest;
                      });
    if (told) return within(row, rest);
    const Group* smaller = find_within(name, rest);
    return smaller ? std::optional(within(*smaller->rows[i], rest)) : std::nullopt;
  }

  Json allocated_json(const Allocated& allocated, const std::vector<Choice>& choices) const {
    Json out = estimate(clustered_mean(allocated.correct, clusters_, key("allocated")));
    out["tokens_per_problem"] = mean(allocated.tokens).value;
    Json bins = Json::array();
    for (size_t bin = 0; bin < kBins.size(); ++bin) {
      Json row = Json::object();
      row["bin"] = kBins[bin], row["n"] = allocated.bins[bin].n;
      Json picks = Json::array();
      if (allocated.bins[bin].n > 0)
        for (size_t c : allocated.bins[bin].chosen) picks.push_back(choices[c].name);
      row["chosen"] = std::move(picks);
      bins.push_back(std::move(row));
    }
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

  // The same signals over the pool of the other problems, and what each has lost there; the mix with the weight that
  // was chosen at home, against what it is on that half of the problems at home that did not choose it.
  Json shift(const Json& out) const {
    Json shift = Json::object();
    if (shift_.empty() || !find(kPool)) return shift;
    std::vector<Signal> away = signals_of_pool(shift_, key("shift"));
    Json home = out.at("signals");
    if (const Json* lambda = out.at("mix").find("lambda"); lambda && !lambda->is_null()) {
      away.push_back(signal_of_mix(shift_, lambda->as_double()));
      home.push_back(out.at("mix").at("signal"));
    }
    shift["task"] = setup_.shift, shift["n"] = static_cast<int64_t>(shift_.size());
    shift["signals"] = signals_json(away, key("shift"));
    shift["drops"] = drops_json(home, shift.at("signals"));
    return shift;
  }

  static Json estimate(const Estimate& e) {
    Json json = Json::object();
    json["accuracy"] = e.value, json["stderr"] = e.std_error, json["ci_lo"] = e.ci.lo, json["ci_hi"] = e.ci.hi;
    json["n"] = e.n;
    return json;
  }

  const ScalingSetup& setup_;
  std::vector<Group> groups_;
  std::vector<std::string> problems_, clusters_;  // of the problems that every search answered
  std::vector<const ScalingRow*> shift_;
  std::map<std::string, int64_t> errors_;  // of searches, by strategy
  std::map<std::string, std::string> first_errors_;
};

}  // namespace

Json scaling_json(const std::vector<ScalingRow>& rows, const ScalingSetup& setup,
                  const std::vector<ScalingRow>& shift) {
  return Study(rows, setup, shift).json();
}

}  // namespace ponder::eval
