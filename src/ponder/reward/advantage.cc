#include "ponder/reward/advantage.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "ponder/base/error.h"

namespace ponder::reward {
namespace {

struct Moments {
  double mean = 0, std = 0, lowest = 0, highest = 0;
  size_t count = 0;
  bool flat() const { return lowest == highest; }
};

// Two passes over the rows: a one-pass variance loses its digits when rewards are close to each other.
Moments moments_of(std::span<const double> rewards, const std::vector<size_t>& rows) {
  Moments m{.lowest = rewards[rows[0]], .highest = rewards[rows[0]], .count = rows.size()};
  for (size_t i : rows) {
    m.mean += rewards[i];
    m.lowest = std::min(m.lowest, rewards[i]);
    m.highest = std::max(m.highest, rewards[i]);
  }
  const double n = static_cast<double>(rows.size());
  m.mean /= n;
  for (size_t i : rows) m.std += (rewards[i] - m.mean) * (rewards[i] - m.mean);
  m.std = rows.size() > 1 ? std::sqrt(m.std / (n - 1)) : 0.0;
  return m;
}

// What one row's advantage depends on; group and batch are the moments that the row belongs to.
using Formula = double (*)(double reward, const Moments& group, const Moments& batch, double eps);

double grpo(double r, const Moments& group, const Moments&, double eps) {
  return group.flat() ? 0.0 : (r - group.mean) / (group.std + eps);
}

double dr_grpo(double r, const Moments& group, const Moments&, double) { return group.flat() ? 0.0 : r - group.mean; }

double rloo(double r, const Moments& group, const Moments&, double) {
  const double n = static_cast<double>(group.count);
  return group.flat() ? 0.0 : r - (group.mean * n - r) / (n - 1);
}

double reinforce(double r, const Moments&, const Moments&, double) { return r; }

double reinforce_mean(double r, const Moments&, const Moments& batch, double) {
  return batch.flat() ? 0.0 : r - batch.mean;
}

double reinforce_pp(double r, const Moments&, const Moments& batch, double eps) {
  return batch.flat() ? 0.0 : (r - batch.mean) / (batch.std + eps);
}

struct Estimator {
  const char* name;
  Formula formula;
};

constexpr Estimator kEstimators[] = {
    {"grpo", grpo},
    {"dr_grpo", dr_grpo},
    {"rloo", rloo},
    {"reinforce", reinforce},
    {"reinforce_mean", reinforce_mean},
    {"reinforce++", reinforce_pp},
};

const Estimator& find_estimator(const std::string& name) {
  for (const auto& e : kEstimators) {
    if (name == e.name) return e;
  }
  const std::string nearest = base::nearest_name(name, advantage_estimators());
  std::string known;
  for (const auto& n : advantage_estimators()) known += (known.empty() ? "" : ", ") + n;
  const std::string right = nearest.empty() ? "it must be one of " + known : "did you mean \"" + nearest + "\"?";
  throw Error(ErrorCode::kUsage, base::cat("unknown advantage estimator \"", name, "\"; ", right));
}

}  // namespace

void AdvantageOptions::fields(base::Fields& f) {
  f.field("estimator", estimator, {.help = "how rewards become advantages", .choices = advantage_estimators()});
  f.field("eps", eps, {.min = 0, .max = 1, .help = "added to the standard deviation before dividing"});
}

const std::vector<std::string>& advantage_estimators() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> list;
    for (const auto& e : kEstimators) list.push_back(e.name);
    return list;
  }();
  return names;
}

Advantages group_advantages(std::span<const double> rewards, std::span<const int64_t> groups,
                            const AdvantageOptions& options) {
  const Estimator& estimator = find_estimator(options.estimator);
  PONDER_CHECK(rewards.size() == groups.size(), "every reward needs the number of its group, got ", groups.size(),
               " group numbers for ", rewards.size(), " rewards");
  Advantages out;
  if (rewards.empty()) return out;
  std::map<int64_t, std::vector<size_t>> members;
  std::vector<size_t> all(rewards.size());
  for (size_t i = 0; i < rewards.size(); ++i) {
    if (!std::isfinite(rewards[i])) {
      throw Error(ErrorCode::kInput, base::cat("reward ", i, " is not a finite number; rewards must be finite"));
    }
    members[groups[i]].push_back(i);
    all[i] = i;
  }
  const Moments batch = moments_of(rewards, all);
  out.values.resize(rewards.size());
  out.groups = static_cast<int64_t>(members.size());
  for (const auto& [id, rows] : members) {
    const Moments group = moments_of(rewards, rows);
    out.zero_variance_groups += group.flat();
    out.all_best_groups += group.flat() && group.lowest == batch.highest;
    for (size_t i : rows) out.values[i] = estimator.formula(rewards[i], group, batch, options.eps);
  }
  return out;
}

Advantages fill_advantages(std::vector<core::Group>& groups, const AdvantageOptions& options) {
  std::vector<double> rewards;
  std::vector<int64_t> ids;
  for (size_t g = 0; g < groups.size(); ++g) {
    for (float r : groups[g].rewards) {
      rewards.push_back(r);
      ids.push_back(static_cast<int64_t>(g));
    }
  }
  Advantages out = group_advantages(rewards, ids, options);
  auto next = out.values.begin();
  for (auto& group : groups) {
    const auto end = next + static_cast<std::ptrdiff_t>(group.rewards.size());
    group.advantages.assign(next, end);
    next = end;
  }
  out.values.clear();
  return out;
}

}  // namespace ponder::reward
