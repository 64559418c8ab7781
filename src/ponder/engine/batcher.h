// Continuous batching: decides which tokens of which sequences go into the next forward pass, and runs it over the page
// cache. LocalPolicy and LocalCritic are thin over it. Called by one thread, which may have a team behind it; several
// may share one model's weights.
#pragma once
#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "ponder/engine/kv_cache.h"
#include "ponder/engine/options.h"
#include "ponder/model/weights.h"
#include "ponder/tensor/team.h"

namespace ponder::engine {

// A sequence in work. Policy and critic derive from it what they need to answer.
struct Row {
  virtual ~Row() = default;
  core::Tokens tokens;    // all that is to be read; a policy appends what it draws
  core::Tokens guesses;   // what may come behind them; the first ones are read along where there is room
  int64_t processed = 0;  // tokens that ran through the model for this row

 private:
  friend class Batcher;
  KvCache::Sequence sequence;
  int64_t take = 0;      // tokens of this row in the pass that is being put together
  core::Tokens guessed;  // and guesses behind them
  int64_t state = -1;    // where the pass has the hidden state behind its last token; −1: nowhere
  int64_t unread() const { return static_cast<int64_t>(tokens.size()) - sequence.length; }
};

class Batcher {
 public:
  // parameters is borrowed for its memory: new weights in the same buffer are seen after clear_cache().
  Batcher(const model::Parameters& parameters, const EngineOptions& options, int threads = 1);

  // Says once when the cache is too small for a sequence of this length that the model could read.
  void expect(int64_t length);
  void submit(std::unique_ptr<Row> row) { waiting_.push_back(std::move(row)); }
  bool idle() const { return waiting_.empty() && rows_.empty(); }

  // One forward pass. Gives the rows whose last token has been read, and the hidden states behind it and behind each
  // guess that was read along, row after row. Each of them must then get another token or be finished. A row's tokens
  // say which guesses were right: the others are taken out of the cache.
  struct Step {
    std::vector<Row*> rows;
    std::vector<int64_t> states;  // of each row: 1 and its guesses
    at::Tensor hidden;            // [Σ states, D]
  };
  Step step();
  void finish(const std::vector<Row*>& rows);  // and forget them
  // Forgets the row that is meant, if there is one, wherever it stands; not within a step.
  bool drop(const std::function<bool(const Row&)>& is_meant);

  void clear_cache();
  const model::DecoderConfig& config() const { return config_; }
  const model::DecoderWeights& weights() const { return weights_; }
  const KvCache& cache() const { return cache_; }
  tensor::Team* team() const { return team_.get(); }  // null: the caller computes alone

 private:
  // A token in the pass that is being put together.
  struct Slot {
    core::Token token;
    int64_t position;
    const std::vector<int32_t>* pages;  // of its sequence
  };
  void reserve_for_live_rows();
  void take_guesses(int64_t room);
  void settle(Row& row);
  void give_way();
  void schedule(Row& row, int64_t take);
  void admit();
  Row* read_already(size_t from, core::TokenSpan tokens) const;
  at::Tensor run();
  tensor::HeadShape kept_shape(int64_t layer) const;
  at::Tensor attend(int64_t layer, const at::Tensor& qkv);

  model::DecoderConfig config_;  // its context is no longer than what the cache holds
  const int64_t model_context_;
  bool said_that_it_is_short_ = false;
  EngineOptions options_;
  std::unique_ptr<tensor::Team> team_;
  model::DecoderWeights weights_;
  tensor::KvType kv_;
  KvCache cache_;
  std::deque<std::unique_ptr<Row>> waiting_;
  std::vector<std::unique_ptr<Row>> rows_;  // in the order of admission; the last one gives way when pages run out
  int64_t room_ = 0;                        // tokens that still fit into the pass
  std::vector<Slot> slots_;                 // [T] tokens of the pass
  std::vector<tensor::PageSlot> places_;    // [T] where their keys and values go
  std::vector<tensor::AttendRow> visible_;  // [T] what they see
};

}  // namespace ponder::engine
