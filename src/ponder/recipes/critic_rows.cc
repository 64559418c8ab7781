#include "ponder/recipes/critic_rows.h"

#include <algorithm>
#include <optional>

#include "ponder/craft/behaviours.h"
#include "ponder/recipes/problems.h"
#include "ponder/text/words.h"

namespace ponder::recipes {
namespace {

// Lengths of the completion behind each step of its answer, its end the last: where a verdict is as good as known.
std::vector<int64_t> answer_ends(core::TokenSpan completion, core::TokenSpan step_ends, int64_t from) {
  const auto size = static_cast<int64_t>(completion.size());
  std::vector<int64_t> ends;
  for (int64_t i = from; i < size; ++i)
    if (i + 1 == size || std::ranges::count(step_ends, completion[static_cast<size_t>(i)]) > 0) ends.push_back(i + 1);
  return ends;
}

// One row of a critic, label by label.
class CriticRow {
 public:
  explicit CriticRow(const core::Tokens& prompt) : tokens_(prompt), prompt_(static_cast<int64_t>(prompt.size())) {}

  void label(int64_t completion_length, double label, double weight) {
    positions_.push_back(prompt_ + completion_length);
    labels_.push_back(static_cast<float>(label)), weights_.push_back(static_cast<float>(weight));
  }
  learn::Row row(const core::Tokens& completion) && {
    tokens_.insert(tokens_.end(), completion.begin(), completion.end());
    learn::Row row = learn::make_row(std::move(tokens_), positions_, labels_);
    for (size_t k = 0; k < positions_.size(); ++k) row.weights[static_cast<size_t>(positions_[k]) - 1] = weights_[k];
    return row;
  }

 private:
  core::Tokens tokens_;
  int64_t prompt_;
  std::vector<int64_t> positions_;
  std::vector<float> labels_, weights_;
};

// Nothing when the answer cannot be spoiled, or is right all the same.
std::optional<learn::Row> spoiled_row(const text::ProblemCodec& codec, const Labelled& l, base::RngKey key) {
  const auto spoiled = craft::spoil_answer(l.prompt, l.completion, key);
  if (!spoiled || grade(codec, l.item, codec.decode(spoiled->completion)).correct()) return std::nullopt;
  CriticRow row(l.prompt);
  for (int64_t end : answer_ends(spoiled->completion, codec.step_ends(), spoiled->at)) row.label(end, 0, 1);
  return std::move(row).row(spoiled->completion);
}

// Labels at the chosen step ends (less of them: they are guesses, and many), the verdict itself within an answer.
learn::Row labelled_row(const CriticOptions& options, const text::ProblemCodec& codec, const Labelled& l) {
  CriticRow row(l.prompt);
  const auto size = static_cast<int64_t>(l.completion.size());
  const auto ans = std::ranges::find(l.completion, core::Token{text::kAns}) - l.completion.begin();
  const int64_t answer = codec.answer(l.item.problem, l.completion) ? ans : size;
  for (size_t e = 0; e < l.ends.size(); ++e)
    if (l.ends[e] <= answer) row.label(l.ends[e], l.labels[e].soft(), options.prefix_weight);
  for (int64_t end : answer_ends(l.completion, codec.step_ends(), answer)) row.label(end, l.correct ? 1 : 0, 1);
  return std::move(row).row(l.completion);
}

}  // namespace

std::vector<learn::Row> critic_rows(const CriticOptions& options, const text::ProblemCodec& codec,
                                    const std::vector<Labelled>& completions, base::RngKey key) {
  std::vector<learn::Row> rows;
  for (size_t i = 0; i < completions.size(); ++i) {
    const Labelled& l = completions[i];
    learn::Row row = labelled_row(options, codec, l);
    if (std::ranges::any_of(row.weights, [](float w) { return w > 0; })) rows.push_back(std::move(row));
    if (!l.correct || !base::Rng(key.child(i).child("share")).chance(options.spoiled)) continue;
    if (auto spoiled = spoiled_row(codec, l, key.child(i))) rows.push_back(std::move(*spoiled));
  }
  return rows;
}

}  // namespace ponder::recipes
