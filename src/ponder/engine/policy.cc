#include "ponder/engine/policy.h"

#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "ponder/base/clock.h"
#include "ponder/base/error.h"
#include "ponder/engine/batcher.h"
#include "ponder/engine/draft.h"
#include "ponder/engine/kv_memory.h"
#include "ponder/engine/prefix.h"
#include "ponder/engine/sampler.h"
#include "ponder/tensor/guard.h"
#include "ponder/tensor/ops.h"
#include "ponder/tensor/team.h"

namespace ponder::engine {
namespace {

struct SampleRow : Row {
  core::SampleParams params;
  base::RngKey key;
  size_t written = 0;  // tokens of the completion, those in front of out->tokens included
  double deadline = 0;
  core::Completion* out = nullptr;
  core::Waiter* waiter = nullptr;
  std::vector<Distribution> guessed_from = {};  // of each guess, where a model made it
  bool round_is_open = false;  // the token behind the last guess, for which there is none, has not been drawn
};

// Token i of a completion, out of its logits, where guess g was made for it; g behind the last guess: none was.
// A guess of a lookup is certain, q = 1: it is right when it is what would have been drawn anyway, which has
// probability p. Then it changes no bit either.
Drawn draw_one(Sampler& sampler, const SampleRow& row, uint64_t i, size_t g, const float* logits, int64_t vocab) {
  if (g >= row.guessed_from.size()) return sampler.draw(logits, vocab, row.params, base::uniform_at(row.key, i));
  return sampler.judge(logits, vocab, row.params, {row.guesses[g], &row.guessed_from[g]},
                       base::uniform_at(row.key.child("accept"), i), base::uniform_at(row.key.child("other"), i));
}

// What each row goes on with, out of logits [Σ states, vocab]: a token, and another behind each guess that was read
// along and is right.
std::vector<std::vector<Drawn>> draw_all(const Batcher::Step& step, const float* logits, int64_t vocab) {
  const auto n = static_cast<int64_t>(step.rows.size());
  std::vector<int64_t> first(step.rows.size() + 1, 0);
  std::partial_sum(step.states.begin(), step.states.end(), first.begin() + 1);
  std::vector<std::vector<Drawn>> drawn(step.rows.size());
  tensor::share_large(first.back() * vocab * kDrawOperations, n, 1, [&](int64_t from, int64_t to) {
    thread_local Sampler sampler;
    for (auto r = static_cast<size_t>(from); r < static_cast<size_t>(to); ++r) {
      const auto& row = static_cast<const SampleRow&>(*step.rows[r]);
      for (size_t g = 0; g < static_cast<size_t>(step.states[r]); ++g) {
        const float* own = logits + (first[r] + static_cast<int64_t>(g)) * vocab;
        drawn[r].push_back(draw_one(sampler, row, row.out->tokens.size() + g, g, own, vocab));
        if (row.params.entropy) drawn[r].back().entropy = entropy_of(own, vocab);
        if (g >= row.guesses.size() || row.guesses[g] != drawn[r].back().token) break;
      }
    }
  });
  return drawn;
}

// Takes the token in; true when it was the last one.
bool extend(SampleRow& row, const Drawn& drawn, const model::DecoderConfig& config) {
  core::Completion& out = *row.out;
  out.tokens.push_back(drawn.token);
  out.logps.push_back(drawn.logp);
  if (row.params.entropy) out.entropies.push_back(drawn.entropy);
  row.tokens.push_back(drawn.token);
  ++row.written;
  const auto is = [&](const auto& ids) { return std::find(ids.begin(), ids.end(), drawn.token) != ids.end(); };
  const core::TokenSpan completion = core::TokenSpan(row.tokens).last(row.written);
  out.ended = is(config.eos_ids) || (row.params.endings && row.params.endings->ended(completion));
  if (out.ended || is(row.params.stop)) {
    out.stop = core::StopReason::kStopToken;
    return true;
  }
  if (static_cast<int64_t>(out.tokens.size()) == row.params.max_tokens) {
    out.stop = core::StopReason::kMaxTokens;
    return true;
  }
  out.stop = core::StopReason::kContextFull;
  return static_cast<int64_t>(row.tokens.size()) == config.context;
}

// Takes in what was drawn; true when the row came to its end. Guesses that are left have not been judged yet.
bool extend(SampleRow& row, const std::vector<Drawn>& drawn, const model::DecoderConfig& config) {
  size_t right = 0;
  for (const Drawn& d : drawn) {
    const bool guessed = right < row.guesses.size() && row.guesses[right] == d.token;
    row.out->accepted += guessed;
    if (extend(row, d, config)) return true;
    if (!guessed) {
      row.guesses.clear(), row.guessed_from.clear();
      row.round_is_open = false;
      return false;
    }
    ++right;
  }
  const auto n = static_cast<std::ptrdiff_t>(right);
  row.guesses.erase(row.guesses.begin(), row.guesses.begin() + n);
  if (!row.guessed_from.empty()) row.guessed_from.erase(row.guessed_from.begin(), row.guessed_from.begin() + n);
  return false;
}

// The draft's part of the memory for keys and values: as many pages as the model has.
EngineOptions draft_options(const EngineOptions& options, const model::DecoderConfig& draft, int64_t pages) {
  EngineOptions own = options;
  own.kv_pages = 0, own.kv_bytes = pages * kv_page_bytes(draft, options);
  own.share_prefixes = true;  // its sequences are opened anew for each round of guesses
  return own;
}

EngineOptions with_room_for(const model::Parameters* draft, const model::DecoderConfig& config,
                            const EngineOptions& options) {
  EngineOptions own = options;
  if (draft && options.kv_pages == 0) {
    const int64_t page = kv_page_bytes(config, options), both = page + kv_page_bytes(draft->config, options);
    own.kv_bytes = std::max<int64_t>(1, kv_bytes(options) / both * page);  // 0 would be no limit
  }
  return own;
}

}  // namespace

uint64_t weights_id(const model::Parameters& parameters) {
  return tensor::guarded("engine", [&] {
    const c10::InferenceMode inference;
    return model::bit_sum(parameters);
  });
}

struct PolicyState {
  model::Parameters parameters;  // for the id alone: shares the memory that is sampled from
  std::unique_ptr<DraftModel> draft = nullptr;
  int64_t most_guesses = 0;  // of a round
  uint64_t weights = weights_id(parameters);
  at::Tensor logits = {};                    // memory of a step's
  std::vector<core::Waiter*> answered = {};  // requests that needed no forward pass
  bool timed = false;                        // some request had a deadline
};

LocalPolicy::LocalPolicy(const model::Parameters& parameters, const EngineOptions& options, int threads,
                         const model::Parameters* draft)
    : batcher_(tensor::guarded("engine",
                               [&] {
                                 return std::make_unique<Batcher>(
                                     parameters, with_room_for(draft, parameters.config, options), threads);
                               })),
      state_(std::make_unique<PolicyState>(PolicyState{parameters})) {
  if (draft || options.speculate == "lookup") state_->most_guesses = options.draft_tokens;
  if (!draft) return;
  if (draft->config.vocab != parameters.config.vocab)
    throw Error(ErrorCode::kUsage, base::cat("a draft of ", draft->config.vocab, " tokens cannot guess for a model of ",
                                             parameters.config.vocab, "; both must have the same vocabulary"));
  model::Parameters small = *draft;
  small.config.context = std::min(small.config.context, parameters.config.context);
  const EngineOptions own = draft_options(options, small.config, batcher_->cache().page_count());
  state_->draft = tensor::guarded("engine", [&] { return std::make_unique<DraftModel>(small, own, threads); });
}

LocalPolicy::~LocalPolicy() = default;

void LocalPolicy::submit(core::SampleRequest request, core::Completion* out, core::Waiter* waiter) {
  check_sample_params(request.params);
  check_prefix(request.prefix, batcher_->config());
  PONDER_CHECK(request.written >= 0 && request.written <= static_cast<int64_t>(request.prefix.size()), "a prefix of ",
               request.prefix.size(), " tokens holds no ", request.written, " that were written");
  *out = {};
  out->weights = state_->weights;
  batcher_->expect(static_cast<int64_t>(request.prefix.size()) + request.params.max_tokens);
  const bool full = static_cast<int64_t>(request.prefix.size()) >= batcher_->config().context;
  if (full || request.params.max_tokens == 0) {
    out->stop = full ? core::StopReason::kContextFull : core::StopReason::kMaxTokens;
    state_->answered.push_back(waiter);
    return;
  }
  auto row = std::make_unique<SampleRow>();
  row->tokens = std::move(request.prefix);
  row->params = std::move(request.params);
  row->key = request.key;
  row->written = static_cast<size_t>(request.written);
  row->deadline = request.deadline;
  state_->timed |= std::isfinite(request.deadline);
  row->out = out;
  row->waiter = waiter;
  batcher_->submit(std::move(row));
}

bool LocalPolicy::advance() {
  std::vector<core::Waiter*> answered = std::exchange(state_->answered, {});
  if (state_->timed) end_late_rows(answered);
  if (answered.empty() && batcher_->idle()) return false;
  if (!batcher_->idle()) {
    tensor::guarded("engine", [&] {
      const c10::InferenceMode inference;
      const tensor::TeamScope scope(batcher_->team());
      const Batcher::Step step = batcher_->step();
      const model::DecoderConfig& config = batcher_->config();
      const at::Tensor logits =
          tensor::linear_into(state_->logits, step.hidden, batcher_->weights().head).cpu().contiguous();  // [rows,V]
      const auto drawn = draw_all(step, logits.const_data_ptr<float>(), config.vocab);
      std::vector<Row*> finished, open;
      for (size_t i = 0; i < step.rows.size(); ++i) {
        Row* any = step.rows[i];
        auto& row = static_cast<SampleRow&>(*any);
        if (!extend(row, drawn[i], config)) {
          open.push_back(any);
          continue;
        }
        row.out->processed = row.processed;
        answered.push_back(row.waiter);
        finished.push_back(any);
      }
      batcher_->finish(finished);
      guess(open);
    });
  }
  for (core::Waiter* waiter : answered) waiter->arrived();
  return true;
}

// For rows whose guesses are all judged. How many there are, and which, depends on the row alone. The last token that
// will be drawn needs no guess.
void LocalPolicy::guess(const std::vector<Row*>& rows) {
  if (state_->most_guesses == 0) return;
  std::vector<Draft> drafts;
  std::vector<SampleRow*> drafted;
  for (Row* any : rows) {
    auto& row = static_cast<SampleRow&>(*any);
    if (row.round_is_open) continue;
    const auto length = static_cast<int64_t>(row.tokens.size()), written = static_cast<int64_t>(row.out->tokens.size());
    const int64_t left = std::min(row.params.max_tokens - written, batcher_->config().context - length);
    const int64_t most = std::min(state_->most_guesses, left - 1);
    if (most < 1) continue;
    if (!state_->draft) {
      row.guesses = look_up(row.tokens, most);
      row.round_is_open = !row.guesses.empty();
      row.out->drafted += static_cast<int64_t>(row.guesses.size());
      continue;
    }
    drafts.push_back({&row.tokens, &row.params, row.key.child("draft"), row.out->tokens.size(), most});
    drafted.push_back(&row);
  }
  if (drafts.empty()) return;
  state_->draft->guess(drafts);
  for (size_t i = 0; i < drafts.size(); ++i) {
    drafted[i]->out->drafted += static_cast<int64_t>(drafts[i].guesses.size());
    drafted[i]->guesses = std::move(drafts[i].guesses);
    drafted[i]->round_is_open = !drafted[i]->guesses.empty();
    if (drafted[i]->params.temperature > 0) drafted[i]->guessed_from = std::move(drafts[i].drawn_from);
  }
}

// Those whose time is up end with what they have.
void LocalPolicy::end_late_rows(std::vector<core::Waiter*>& answered) {
  const double now = base::monotonic_seconds();
  const auto is_late = [&](const Row& any) {
    const auto& row = static_cast<const SampleRow&>(any);
    if (row.deadline > now) return false;
    row.out->processed = row.processed, row.out->stop = core::StopReason::kDeadline;
    answered.push_back(row.waiter);
    return true;
  };
  while (batcher_->drop(is_late)) {
  }
}

bool LocalPolicy::cancel(const core::Completion* out) {
  return batcher_->drop([&](const Row& any) {
    const auto& row = static_cast<const SampleRow&>(any);
    if (row.out == out) row.out->processed = row.processed;
    return row.out == out;
  });
}

void LocalPolicy::set_version(int64_t version) {
  if (version == version_) return;
  clear_cache();
  state_->weights = weights_id(state_->parameters);
  version_ = version;
}

void LocalPolicy::clear_cache() {
  batcher_->clear_cache();
  if (state_->draft) state_->draft->clear_cache();
}

int64_t LocalPolicy::kv_bytes() const {
  return batcher_->cache().bytes() + (state_->draft ? state_->draft->kv_bytes() : 0);
}

int64_t LocalPolicy::kv_peak_bytes() const {
  return batcher_->cache().peak_bytes() + (state_->draft ? state_->draft->kv_peak_bytes() : 0);
}

}  // namespace ponder::engine
