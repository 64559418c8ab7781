#include "ponder/reward/outcome.h"

#include "ponder/base/error.h"

namespace ponder::reward {

using core::VerdictKind;

void OutcomeOptions::fields(base::Fields& f) {
  f.field("correct", correct, {.min = -100, .max = 100, .help = "reward of a correct answer"});
  f.field("wrong", wrong, {.min = -100, .max = 100, .help = "reward of every other outcome"});
  f.field("format", format, {.min = -100, .max = 100, .help = "added when an answer could be read at all"});
}

double outcome_reward(const core::Verdict& verdict, const OutcomeOptions& options) {
  const bool readable = verdict.kind == VerdictKind::kCorrect || verdict.kind == VerdictKind::kWrong;
  return (verdict.correct() ? options.correct : options.wrong) + (readable ? options.format : 0.0);
}

void fill_rewards(core::Group& group, const OutcomeOptions& options) {
  PONDER_CHECK(group.verdicts.size() == group.trajectories.size(), "every trajectory needs one verdict, got ",
               group.verdicts.size(), " for ", group.trajectories.size());
  group.rewards.clear();
  for (const auto& verdict : group.verdicts) {
    group.rewards.push_back(static_cast<float>(outcome_reward(verdict, options)));
  }
}

int64_t VerdictCounts::total() const {
  int64_t sum = 0;
  for (int64_t c : counts_) sum += c;
  return sum;
}

double VerdictCounts::accuracy() const {
  const int64_t judged = total() - of(VerdictKind::kCannotJudge);
  return judged == 0 ? 0.0 : static_cast<double>(of(VerdictKind::kCorrect)) / static_cast<double>(judged);
}

base::Json VerdictCounts::to_json() const {
  base::Json json = base::Json::object();
  for (size_t i = 0; i < counts_.size(); ++i) json[core::verdict_name(static_cast<VerdictKind>(i))] = counts_[i];
  return json;
}

}  // namespace ponder::reward
