#include "ponder/engine/draft.h"

#include <ATen/core/Tensor.h>

#include <algorithm>

#include "ponder/tensor/ops.h"
#include "ponder/tensor/team.h"

namespace ponder::engine {
namespace {

constexpr int64_t kLongestNgram = 3;

struct DraftRow : Row {
  Draft* draft = nullptr;
};

}  // namespace

core::Tokens look_up(core::TokenSpan tokens, int64_t most) {
  const auto size = static_cast<int64_t>(tokens.size());
  int64_t longest = 0, end = 0;  // of the tokens that stand before `end`
  for (int64_t at = size - 1; at > 0 && longest < kLongestNgram; --at) {
    int64_t n = 0;
    while (n < kLongestNgram && n < at &&
           tokens[static_cast<size_t>(at - 1 - n)] == tokens[static_cast<size_t>(size - 1 - n)])
      ++n;
    if (n > longest) longest = n, end = at;
  }
  core::Tokens guesses;
  if (longest == 0) return guesses;
  for (int64_t i = 0; i < most; ++i)
    guesses.push_back(end + i < size ? tokens[static_cast<size_t>(end + i)]
                                     : guesses[static_cast<size_t>(end + i - size)]);
  return guesses;
}

void DraftModel::guess(std::vector<Draft>& drafts) {
  const model::DecoderConfig& config = batcher_.config();
  for (Draft& draft : drafts) {
    // The last guess is not read.
    const int64_t room = config.context + 1 - static_cast<int64_t>(draft.tokens->size());
    draft.most = std::min(draft.most, room);
    if (draft.most < 1) continue;
    auto row = std::make_unique<DraftRow>();
    row->tokens = *draft.tokens;
    row->draft = &draft;
    batcher_.submit(std::move(row));
  }
  // Rows point at the caller's drafts: none may outlive an error.
  struct DropRows {
    Batcher& batcher;
    ~DropRows() {
      while (batcher.drop([](const Row&) { return true; })) {
      }
    }
  } const drop_rows{batcher_};
  while (!batcher_.idle()) {
    const Batcher::Step step = batcher_.step();
    const tensor::TeamScope scope(batcher_.team());
    const at::Tensor logits =
        tensor::linear_into(logits_, step.hidden, batcher_.weights().head).cpu().contiguous();  // [rows,V]
    const auto n = static_cast<int64_t>(step.rows.size());
    tensor::share_large(n * config.vocab * kDrawOperations, n, 1, [&](int64_t from, int64_t to) {
      thread_local Sampler sampler;
      for (int64_t i = from; i < to; ++i) {
        auto& row = static_cast<DraftRow&>(*step.rows[static_cast<size_t>(i)]);
        Draft& draft = *row.draft;
        const float uniform = base::uniform_at(draft.key, draft.position + draft.guesses.size());
        const float* own = logits.const_data_ptr<float>() + i * config.vocab;
        draft.drawn_from.emplace_back();
        draft.guesses.push_back(
            sampler.draw(own, config.vocab, *draft.params, uniform, &draft.drawn_from.back()).token);
        row.tokens.push_back(draft.guesses.back());
      }
    });
    std::vector<Row*> finished;
    for (Row* row : step.rows) {
      const Draft& draft = *static_cast<DraftRow*>(row)->draft;
      if (static_cast<int64_t>(draft.guesses.size()) >= draft.most) finished.push_back(row);
    }
    batcher_.finish(finished);
  }
}

}  // namespace ponder::engine
