#include "ponder/engine/batcher.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>

#include "ponder/base/error.h"
#include "ponder/base/log.h"
#include "ponder/engine/kv_memory.h"
#include "ponder/model/decoder.h"

namespace ponder::engine {
namespace {

constexpr int64_t kMostLogits = int64_t{1} << 26;  // 256 MiB of f32: for all guesses of a pass

// Sampled and learned log-probs agree to the bit only where a row's product does not depend on the other rows. The
// kernels are written so; this asks those that were chosen for this processor, at this model's shapes.
void check_products(const model::DecoderWeights& weights) {
  if (!weights.device().is_cpu()) return;
  constexpr int64_t kRows = 9, kRow = 5;
  const auto& layer = weights.layers.front();
  for (const tensor::Matrix* w : {&layer.qkv, &layer.out, &layer.gate_up, &layer.down, &weights.head}) {
    at::Tensor x = at::empty({kRows, w->size(1)}, at::kFloat);
    float* value = x.mutable_data_ptr<float>();
    for (int64_t i = 0; i < x.numel(); ++i) value[i] = std::sin(static_cast<float>(i));
    const at::Tensor all = tensor::linear(x, *w), alone = tensor::linear(x.narrow(0, kRow, 1), *w);
    if (std::memcmp(all.const_data_ptr<float>() + kRow * w->size(0), alone.const_data_ptr<float>(), alone.nbytes()) !=
        0)
      base::log_warning(
          base::cat("on this processor a ", w->size(0), "x", w->size(1),
                    " product has other bits for other numbers of rows: results may depend on the batch"));
  }
}

}  // namespace

Batcher::Batcher(const model::Parameters& parameters, const EngineOptions& options, int threads)
    : config_(parameters.config),
      model_context_(config_.context),
      options_(options),
      team_(threads > 1 ? std::make_unique<tensor::Team>(threads) : nullptr),
      weights_(parameters.weights()),
      kv_(kv_type(config_, options)),
      cache_(config_.layers, kept_shape(0), kv_pages(config_, options), options.share_prefixes) {
  const int64_t held = (cache_.page_count() - 1) * kPageTokens;
  config_.context = std::min(held, model_context_);
  check_products(weights_);
}

void Batcher::expect(int64_t length) {
  if (std::min(length, model_context_) <= config_.context || said_that_it_is_short_) return;
  said_that_it_is_short_ = true;
  base::log_info(base::cat("the cache holds sequences of up to ", config_.context, " tokens, the model's context is ",
                           model_context_, "; engine.kv_mib or --kv-memory make room for more"));
}

Batcher::Step Batcher::step() {
  const tensor::TeamScope scope(team_.get());
  for (auto& row : rows_) settle(*row);
  slots_.clear();
  room_ = options_.max_forward_tokens;
  reserve_for_live_rows();
  for (auto& row : rows_) schedule(*row, row->take);
  admit();
  Step step;
  std::vector<int64_t> last;  // rows of the pass that hold each finished prefix's last token, and guesses
  for (auto& row : rows_) {
    if (row->state < 0) continue;
    const auto guessed = static_cast<int64_t>(row->guessed.size());
    step.rows.push_back(row.get());
    step.states.push_back(1 + guessed);
    for (int64_t i = 0; i <= guessed; ++i) last.push_back(row->state + i);
  }
  const at::Tensor hidden = run();
  cache_.copies_done();
  at::Tensor index = at::empty({static_cast<int64_t>(last.size())}, at::kLong);
  std::copy(last.begin(), last.end(), index.mutable_data_ptr<int64_t>());
  step.hidden = hidden.index_select(0, index.to(hidden.device()));
  return step;
}

// Rows that are decoding get their one token before any prompt gets its share. When pages run out, the row that came
// last gives its own back and starts again later, so the first one always comes to its end.
void Batcher::reserve_for_live_rows() {
  int64_t decoding = 0;
  for (const auto& row : rows_) decoding += row->unread() == 1;
  int64_t prefill_room = std::max<int64_t>(0, room_ - decoding);
  for (size_t i = 0; i < rows_.size(); ++i) {
    Row& row = *rows_[i];
    row.take = row.unread();
    if (row.take > 1) {
      row.take = std::min(row.take, prefill_room);
      prefill_room -= row.take;
    }
    while (i < rows_.size() && !cache_.reserve(row.sequence, row.take)) give_way();
  }
  take_guesses(std::min(prefill_room, kMostLogits / config_.vocab));
}

// With room that nobody else needs now: guesses make a pass longer, and pay where few sequences share it.
void Batcher::take_guesses(int64_t room) {
  if (!waiting_.empty()) return;
  for (auto& row : rows_) {
    if (row->unread() != 1) continue;
    const int64_t n = std::min(room, static_cast<int64_t>(row->guesses.size()));
    if (n == 0 || !cache_.reserve(row->sequence, 1 + n)) continue;
    row->guessed.assign(row->guesses.begin(), row->guesses.begin() + n);
    room -= n;
  }
}

// Of the guesses that were read those stay which the row's tokens have confirmed.
void Batcher::settle(Row& row) {
  if (row.guessed.empty()) return;
  const auto first = static_cast<size_t>(row.sequence.length) - row.guessed.size();
  size_t kept = 0;
  while (kept < row.guessed.size() && first + kept < row.tokens.size() && row.tokens[first + kept] == row.guessed[kept])
    ++kept;
  cache_.settle(row.sequence, static_cast<int64_t>(first + kept));
  row.guessed.clear();
}

void Batcher::give_way() {
  PONDER_CHECK(!rows_.empty(), "one sequence alone does not fit into the cache");
  cache_.close(rows_.back()->sequence);
  rows_.back()->take = 0;
  waiting_.push_front(std::move(rows_.back()));
  rows_.pop_back();
}

void Batcher::schedule(Row& row, int64_t take) {
  const bool prefill = row.unread() > 1;
  for (int64_t i = 0; i < take; ++i) {
    const int64_t position = row.sequence.length;
    const core::Token token = row.tokens[static_cast<size_t>(position)];
    cache_.append(row.sequence, token);
    slots_.push_back({token, position, &row.sequence.pages});
  }
  if (prefill) cache_.publish(row.sequence);
  row.state = take > 0 && row.unread() == 0 ? static_cast<int64_t>(slots_.size()) - 1 : -1;
  for (const core::Token guess : row.guessed) {
    slots_.push_back({guess, row.sequence.length, &row.sequence.pages});
    cache_.append_guess(row.sequence, guess);
  }
  const int64_t all = take + static_cast<int64_t>(row.guessed.size());
  row.processed += all;
  room_ -= all;
}

// A row of this pass, not before `from`, whose tokens are these and are all read then; null when there is none.
Row* Batcher::read_already(size_t from, core::TokenSpan tokens) const {
  for (size_t i = from; i < rows_.size(); ++i)
    if (rows_[i]->state >= 0 && std::ranges::equal(rows_[i]->tokens, tokens)) return rows_[i].get();
  return nullptr;
}

// The last token of a prefix must run, because the hidden state behind it is wanted; but once for all rows that begin
// with one prefix, as the samples of a prompt and the steps behind a node do.
void Batcher::admit() {
  const size_t before = rows_.size();
  while (!waiting_.empty() && room_ > 0 && static_cast<int64_t>(rows_.size()) < options_.max_rows) {
    Row& row = *waiting_.front();
    const core::TokenSpan tokens = row.tokens;
    if (KvCache::pages_for(static_cast<int64_t>(tokens.size())) + 1 > cache_.available()) return;
    const Row* twin = options_.share_prefixes ? read_already(before, tokens) : nullptr;
    if (twin) cache_.publish(twin->sequence);
    cache_.open(row.sequence, twin ? tokens : tokens.first(tokens.size() - 1));
    row.take = std::min(row.unread(), room_);
    PONDER_CHECK(cache_.reserve(row.sequence, row.take), "an admitted sequence found no pages");
    rows_.push_back(std::move(waiting_.front()));
    waiting_.pop_front();
    schedule(row, row.take);
    // Of two pages with equal tokens open() may follow the other one: then what that has not is read again.
    if (twin && row.take == 0) row.state = twin->state;
  }
}

at::Tensor Batcher::run() {
  const auto count = static_cast<int64_t>(slots_.size());
  at::Tensor ids = at::empty({count}, at::kLong), positions = at::empty({count}, at::kLong);
  int64_t* id = ids.mutable_data_ptr<int64_t>();
  int64_t* position = positions.mutable_data_ptr<int64_t>();
  places_.clear();
  visible_.resize(slots_.size());
  for (size_t t = 0; t < slots_.size(); ++t) {
    const Slot& slot = slots_[t];
    id[t] = slot.token;
    position[t] = slot.position;
    places_.push_back({(*slot.pages)[static_cast<size_t>(slot.position / kPageTokens)],
                       static_cast<int32_t>(slot.position % kPageTokens)});
    visible_[t] = {slot.pages->data(), slot.position + 1};
  }
  const auto device = weights_.device();
  return model::decoder_hidden(config_, weights_, ids.to(device), positions.to(device),
                               [&](int64_t l, const at::Tensor& qkv) { return attend(l, qkv); });
}

tensor::HeadShape Batcher::kept_shape(int64_t layer) const {
  tensor::HeadShape shape = config_.head_shape(layer);
  shape.kv = kv_;
  return shape;
}

// Stores first, then copies, then reads: a page may be shared with a row of this very pass. On a GPU the products run
// there and this runs on the host.
at::Tensor Batcher::attend(int64_t layer, const at::Tensor& qkv) {
  const tensor::HeadShape shape = kept_shape(layer);
  const tensor::Pages pages = cache_.layer(layer);
  const at::Tensor host = qkv.cpu();
  const float* rows = host.const_data_ptr<float>();
  tensor::store_page_rows(rows, shape, pages, places_.data(), static_cast<int64_t>(places_.size()));
  for (const auto& copy : cache_.copies())
    tensor::copy_page_slots(pages.at(copy.from), shape, copy.slots, pages.at(copy.to));
  at::Tensor out = at::empty({host.size(0), shape.heads * shape.head_dim}, host.options());
  tensor::attend_rows(rows, visible_.data(), host.size(0), shape, pages, out.mutable_data_ptr<float>(), nullptr);
  return out.to(qkv.device());
}

void Batcher::clear_cache() {
  cache_.clear();
  model::repack(weights_);
}

void Batcher::finish(const std::vector<Row*>& rows) {
  const std::set<const Row*> gone(rows.begin(), rows.end());
  std::erase_if(rows_, [&](std::unique_ptr<Row>& row) {
    if (!gone.contains(row.get())) return false;
    settle(*row);
    cache_.close(row->sequence);
    return true;
  });
}

bool Batcher::drop(const std::function<bool(const Row&)>& is_meant) {
  const auto is = [&](const std::unique_ptr<Row>& row) { return is_meant(*row); };
  if (std::erase_if(waiting_, is) > 0) return true;
  const auto row = std::find_if(rows_.begin(), rows_.end(), is);
  if (row == rows_.end()) return false;
  settle(**row);
  cache_.close((*row)->sequence);
  rows_.erase(row);
  return true;
}

}  // namespace ponder::engine
