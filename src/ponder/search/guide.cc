#include "ponder/search/guide.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "ponder/base/error.h"

namespace ponder::search {
namespace {

[[noreturn]] void refuse(const std::string& why) { throw Error(ErrorCode::kUsage, why); }

}  // namespace

Guide guide_named(const std::string& name, double own_share, const core::Ports& ports, const core::Problem& problem,
                  const core::SampleParams& params) {
  const bool fits = ports.confidence && ports.confidence->temperature == params.temperature && params.top_p == 1 &&
                    params.top_k == 0 && params.min_p == 0;
  const GuideKind own = fits ? GuideKind::kConfidence : GuideKind::kLikelihood;
  if (name == "auto") return {ports.critic ? GuideKind::kCritic : own};
  if (name == "likelihood") return {GuideKind::kLikelihood};
  if (name == "entropy") return {GuideKind::kEntropy};
  if (name == "vote") return {GuideKind::kVote};
  if (name == "semantic") return {GuideKind::kSemantic};
  if (name == "p-true") return {GuideKind::kTrue};
  if (name == "confidence") {
    if (!ports.confidence)
      refuse(
          "guide=confidence needs a run whose critic stage had critic.kind=confidence, and this model has none; use "
          "guide=likelihood or guide=auto");
    if (!fits)
      refuse(base::cat("guide=confidence was fitted to samples at temperature ", ports.confidence->temperature,
                       " without top_p, top_k and min_p; sample so, or use guide=likelihood or guide=auto"));
    return {GuideKind::kConfidence};
  }
  if (name == "verifier" || name == "heuristic") {
    if (!ports.judge || !ports.judge->knows(problem))
      refuse(base::cat("guide=", name, " needs problems that say themselves what is right (countdown)"));
    return {name == "verifier" ? GuideKind::kVerifier : GuideKind::kHeuristic};
  }
  PONDER_CHECK(name == "critic" || name == "mix", "no guide is called ", name);
  if (!ports.critic)
    refuse(base::cat("guide=", name,
                     " needs a model with a critic and this one has none; use guide=likelihood or guide=auto"));
  if (name == "mix") return {own, own_share};
  return {GuideKind::kCritic};
}

double semantic_entropy(const std::vector<std::optional<std::string>>& answers) {
  std::map<std::string, double> counts;
  const auto n = static_cast<double>(answers.size());
  double entropy = 0;
  const auto add = [&](double count) { entropy -= count / n * std::log(count / n); };
  for (const auto& answer : answers) {
    if (answer)
      ++counts[*answer];
    else
      add(1);
  }
  for (const auto& [answer, count] : counts) add(count);
  return std::max(0.0, entropy);
}

}  // namespace ponder::search
