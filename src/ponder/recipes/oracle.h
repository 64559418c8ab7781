// A control, never a way to solve anything: in a critic's place a verifier that knows the right answers. What a search
// reaches with it is what a perfect judge would be worth; its reading is paid for as a network's, though none runs. The
// search stage alone makes one, beside strategies whose judge is learned.
#pragma once
#include <map>
#include <vector>

#include "ponder/text/problem_codec.h"

namespace ponder::recipes {

class Oracle : public core::Critic {
 public:
  // The items whose completions will be judged. Borrows the codec.
  Oracle(const std::vector<core::Item>& items, const text::ProblemCodec& codec);

  // 1 for a right answer behind the prompt of one of the items, else 0.
  void submit(core::ScoreRequest request, core::Score* out, core::Waiter* waiter) override;
  bool advance() override;

 private:
  double judge(const core::Tokens& prefix) const;

  std::map<core::Tokens, core::Item> items_;  // by prompt
  const text::ProblemCodec& codec_;
  std::vector<core::Waiter*> answered_;
};

}  // namespace ponder::recipes
