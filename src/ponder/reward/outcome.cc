#include "ponder/reward/outcome.h"

#include "ponder/base/error.h"

namespace ponder::reward {

using core::VerdictKind;

void OutcomeOptions::fields(base::Fields& f) {
  f.field("correct", correct, {.min = -100, .max = 100, .help = "reward of a correct answer"});
  f.field("wrong", wrong, {.min = -100, .max = 100, .help = "reward of every other outcome"});
  f.field("format", format, {.min = -100, .max = 100, .help = "added when an answer could be read at all"});
}

std::vector<core::RewardPart> outcome_parts(const core::Verdict& verdict, const OutcomeOptions& options) {
  std::vector<core::RewardPart> parts = {{"outcome", verdict.correct() ? options.correct : options.wrong}};
  const bool readable = verdict.kind == VerdictKind::kCorrect || verdict.kind == VerdictKind::kWrong;
  if (options.format != 0) parts.push_back({"format", readable ? options.format : 0.0});
  return parts;
}

double sum_of(const std::vector<core::RewardPart>& parts) {
  double sum = 0;
  for (const core::RewardPart& part : parts) sum += part.value;
  return sum;
}

void fill_rewards(core::Group& group, const OutcomeOptions& options) {
  PONDER_CHECK(group.verdicts.size() == group.trajectories.size(), "every trajectory needs one verdict, got ",
               group.verdicts.size(), " for ", group.trajectories.size());
  group.reward_parts.clear(), group.rewards.clear();
  for (const core::Verdict& verdict : group.verdicts) {
    group.reward_parts.push_back(outcome_parts(verdict, options));
    group.rewards.push_back(static_cast<float>(sum_of(group.reward_parts.back())));
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
