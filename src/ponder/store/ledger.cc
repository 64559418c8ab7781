#include "ponder/store/ledger.h"

#include <algorithm>

#include "ponder/base/error.h"

namespace ponder::store {

void Ledger::add(const std::string& stage, double seconds, int64_t tokens, double flops) {
  PONDER_CHECK(seconds >= 0 && tokens >= 0 && flops >= 0, "a cost is never negative (stage ", stage, ")");
  auto at = std::find_if(stages_.begin(), stages_.end(), [&](const StageCost& cost) { return cost.name == stage; });
  if (at == stages_.end()) at = stages_.insert(at, StageCost{stage, 0, 0, 0});
  at->seconds += seconds;
  at->tokens += tokens;
  at->flops += flops;
}

base::Json Ledger::to_json() const {
  base::Json list = base::Json::array();
  for (const StageCost& cost : stages_)
    list.push_back(base::Json::Object{
        {"name", cost.name}, {"seconds", cost.seconds}, {"tokens", cost.tokens}, {"flops", cost.flops}});
  return list;
}

Ledger Ledger::from_json(const base::Json& json) {
  Ledger ledger;
  for (const base::Json& cost : json.as_array())
    ledger.add(cost.at("name").as_string(), cost.at("seconds").as_double(), cost.at("tokens").as_int(),
               cost.at("flops").as_double());
  return ledger;
}

}  // namespace ponder::store
