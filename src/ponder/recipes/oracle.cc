#include "ponder/recipes/oracle.h"

#include <algorithm>
#include <utility>

#include "ponder/recipes/problems.h"

namespace ponder::recipes {

Oracle::Oracle(const std::vector<core::Item>& items, const text::ProblemCodec& codec) : codec_(codec) {
  for (const core::Item& item : items) items_.emplace(codec.prompt(item.problem), item);
}

double Oracle::judge(const core::Tokens& prefix) const {
  // The prompt is the longest one that the prefix begins with: it stands at or before the prefix in the map's order.
  for (auto at = items_.upper_bound(prefix); at != items_.begin();) {
    --at;
    const core::Tokens& prompt = at->first;
    if (prompt.size() > prefix.size() || !std::equal(prompt.begin(), prompt.end(), prefix.begin())) continue;
    const core::TokenSpan completion = core::TokenSpan(prefix).subspan(prompt.size());
    return grade(codec_, at->second, codec_.decode(completion)).correct() ? 1 : 0;
  }
  PONDER_CHECK(false, "the oracle was asked about a problem that it was not given");
  return 0;
}

void Oracle::submit(core::ScoreRequest request, core::Score* out, core::Waiter* waiter) {
  *out = {static_cast<float>(judge(request.prefix)), 0};
  answered_.push_back(waiter);
}

bool Oracle::advance() {
  if (answered_.empty()) return false;
  for (core::Waiter* waiter : std::exchange(answered_, {})) waiter->arrived();
  return true;
}

}  // namespace ponder::recipes
