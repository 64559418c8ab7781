#include "ponder/recipes/batches.h"

#include <numeric>

namespace ponder::recipes {

std::vector<std::vector<size_t>> plan_batches(const std::vector<learn::Row>& rows, int64_t steps, int64_t batch_tokens,
                                              base::RngKey key) {
  PONDER_CHECK(!rows.empty(), "batches of nothing");
  std::vector<std::vector<size_t>> batches;
  std::vector<size_t> order(rows.size());
  std::iota(order.begin(), order.end(), size_t{0});
  for (uint64_t epoch = 0; static_cast<int64_t>(batches.size()) < steps; ++epoch) {
    base::Rng rng(key.child(epoch));
    rng.shuffle(order);
    int64_t tokens = batch_tokens;
    for (size_t i : order) {
      if (tokens >= batch_tokens) batches.emplace_back(), tokens = 0;
      batches.back().push_back(i);
      tokens += static_cast<int64_t>(rows[i].tokens.size());
    }
  }
  return batches;
}

}  // namespace ponder::recipes
