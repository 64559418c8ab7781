#include "ponder/recipes/repairs.h"

#include "ponder/craft/behaviours.h"
#include "ponder/text/words.h"

namespace ponder::recipes {
namespace {

// Learns the last n tokens.
learn::Row lesson(core::Tokens tokens, size_t n, double advantage) {
  learn::Row row;
  row.weights.assign(tokens.size(), 0.0f);
  std::fill(row.weights.end() - static_cast<std::ptrdiff_t>(n), row.weights.end(), 1.0f);
  row.advantages.assign(tokens.size(), static_cast<float>(advantage));
  row.tokens = std::move(tokens);
  return row;
}

}  // namespace

std::vector<learn::Row> repair_rows(const Groups& groups, int64_t count, double advantage, base::RngKey key) {
  std::vector<learn::Row> rows;
  for (int64_t i = 0; i < count; ++i) {
    base::Rng rng(key.child(static_cast<uint64_t>(i)));
    const core::Group& group = rng.pick(groups);
    const core::Trajectory& thought = rng.pick(group.trajectories);
    const auto kind = static_cast<craft::SlipKind>(rng.below(craft::kTrainedSlipKinds));
    const auto slip = craft::plant_slip(group.item.problem, thought.tokens, kind, key.child(static_cast<uint64_t>(i)));
    if (!slip) continue;
    core::Tokens mended = slip->prefix;
    mended.insert(mended.end(), {text::kWait, slip->right});
    rows.push_back(lesson(std::move(mended), 2, advantage));

    const size_t next = slip->prefix.size() - thought.prompt.size();  // in the thought, behind the slip's place
    if (slip->doubted || next >= thought.tokens.size()) continue;
    core::Tokens untouched = slip->prefix;
    untouched.back() = slip->right;
    untouched.push_back(thought.tokens[next]);
    rows.push_back(lesson(std::move(untouched), 1, advantage));
  }
  return rows;
}

}  // namespace ponder::recipes
