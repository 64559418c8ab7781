#include "ponder/tensor/head_logp.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <deque>
#include <optional>
#include <vector>

#include "ponder/base/error.h"
#include "ponder/tensor/kernels.h"
#include "ponder/tensor/log_softmax.h"
#include "ponder/tensor/ops.h"
#include "ponder/tensor/team.h"

namespace ponder::tensor {
namespace {

// Columns of a block are those whose log-sum-exp is taken together. Rows of a block: 1 Mi logits, and 512 at least.
constexpr int64_t kColumns = kLogsumexpBlock;
// The backward pass multiplies along a block's columns: fewer leave more rows beside a panel in the second cache. Two
// such blocks are one of the forward pass, whose logits may have been kept.
constexpr int64_t kBackwardColumns = kColumns / 2;
constexpr int64_t kBlockLogits = int64_t{1} << 20;

int64_t block_rows(int64_t columns) {
  constexpr int64_t kLeast = 512;
  return std::max(kLeast, kBlockLogits / columns / kLeast * kLeast);
}

const float* in(const at::Tensor& x) { return x.const_data_ptr<float>(); }
float* out(at::Tensor& x) { return x.mutable_data_ptr<float>(); }

// The head block by block, as products take it: views of its packed copies, or pieces packed on the spot.
class HeadBlocks {
 public:
  explicit HeadBlocks(const Matrix& head) : head_(head), vocab_(head.size(0)), width_(head.size(1)) {}

  // Columns first … first + n of hidden · headᵀ.
  PackedView transposed(int64_t first, int64_t n) {
    if (!head_.transposed.defined()) return pack(transposed_, pack_transposed, first, n, width_, n);
    PackedView view = packed_view(head_.transposed, width_, n, head_.compute);
    view.words += packed_words(width_, first, head_.compute);
    return view;
  }
  // The same rows of the head as depth of grad · head.
  PackedView straight(int64_t first, int64_t n) {
    if (n == vocab_ && head_.straight.defined()) return packed_view(head_.straight, n, width_, head_.compute);
    if (head_.weight.defined()) return pack(straight_, pack_straight, first, n, n, width_);
    const Compute compute = straight_compute(head_);
    rows_.resize(static_cast<size_t>(n * width_));
    uint32_t* words = straight_.words(packed_words(n, width_, compute));
    unpack_transposed(packed_view(head_.transposed, width_, vocab_, head_.compute).words, vocab_, width_, head_.compute,
                      first, n, rows_.data());
    pack_straight(rows_.data(), n, width_, compute, words);
    return {words, n, width_, compute};
  }

 private:
  template <class Pack>
  PackedView pack(Words& memory, Pack pack, int64_t first, int64_t n, int64_t depth, int64_t columns) {
    PONDER_CHECK(head_.weight.defined() && head_.weight.is_contiguous(), "the head must be contiguous [V,D]");
    uint32_t* words = memory.words(packed_words(depth, columns, head_.compute));
    pack(in(head_.weight) + first * width_, n, width_, head_.compute, words);
    return {words, depth, columns, head_.compute};
  }

  const Matrix& head_;
  int64_t vocab_, width_;
  Words transposed_, straight_;
  std::vector<float> rows_;
};

// work(first row, rows, first column, columns) for each block of `width` columns; the columns' turn changes last, so
// that a piece of the head is packed once. begin(first column, columns) comes before the blocks of these columns.
template <class Begin, class Work>
void for_each_block(int64_t rows, int64_t vocab, int64_t width, Begin begin, Work work) {
  const int64_t step = block_rows(width);
  for (int64_t column = 0; column < vocab; column += width) {
    const int64_t columns = std::min(width, vocab - column);
    begin(column, columns);
    for (int64_t row = 0; row < rows; row += step) work(row, std::min(step, rows - row), column, columns);
  }
}

// The hidden states block of rows by block of rows, packed once for all blocks of columns: the left sides of products
// with the head, and what the head's gradient multiplies.
class HiddenBlocks {
 public:
  HiddenBlocks(const at::Tensor& hidden, int64_t columns, Compute compute)
      : x_(in(hidden)), rows_(hidden.size(0)), width_(hidden.size(1)), step_(block_rows(columns)), compute_(compute) {}

  // Rows row … row + step − 1 (or to the end), times words → y.
  void multiply(int64_t row, const PackedView& words, float* y) {
    if (in_blocks(compute_)) return gemm(x_ + row * width_, count(row), words, nullptr, y);
    while (static_cast<int64_t>(left_.size()) <= row / step_) {
      const int64_t next = static_cast<int64_t>(left_.size()) * step_;
      left_.emplace_back(x_ + next * width_, count(next), width_, compute_);
    }
    gemm(left_[static_cast<size_t>(row / step_)], words, y);
  }
  // y [columns, D] += gᵀ · the same rows.
  void add_transposed(int64_t row, const float* g, int64_t columns, float* y) {
    if (step_ > transposed_rows(compute_))
      return gemm_transposed_add(g, x_ + row * width_, count(row), columns, width_, compute_, y);
    while (static_cast<int64_t>(straight_.size()) <= row / step_) {
      const int64_t next = static_cast<int64_t>(straight_.size()) * step_, n = count(next);
      pack_straight(x_ + next * width_, n, width_, compute_,
                    straight_.emplace_back().words(packed_words(n, width_, compute_)));
    }
    uint32_t* words = straight_[static_cast<size_t>(row / step_)].words(0);
    gemm_transposed_add(g, {words, count(row), width_, compute_}, columns, y);
  }

 private:
  int64_t count(int64_t row) const { return std::min(step_, rows_ - row); }

  const float* x_;
  int64_t rows_, width_, step_;
  Compute compute_;
  std::deque<LeftSide> left_;
  std::deque<Words> straight_;
};

at::Tensor block_scratch(int64_t rows, int64_t columns) {
  return at::empty({std::min(block_rows(columns), rows) * columns}, at::kFloat);
}

struct Values {
  at::Tensor logp, logsumexp, entropy;
  Values(const at::Tensor& hidden, bool with_entropy)
      : logp(at::empty({hidden.size(0)}, hidden.options())), logsumexp(at::empty_like(logp)) {
    if (with_entropy) entropy = at::empty_like(logp);
  }
};

// Products in bf16 round the gradient of logits anyway; what it is made of is kept as bf16 then, where there are
// several blocks.
bool keeps_halves(int64_t vocab, Compute compute) { return compute == Compute::kBf16 && vocab > kColumns; }

// What the backward pass takes the gradient of a chunk's logits from, block of columns behind block of columns, each
// [rows, columns]: the logits as floats, or e^(logit − top) as bf16 pairs, top the highest of a row's block. (A logit
// as bf16 would be too coarse.)
class Kept {
 public:
  // room: memory, made or grown here.
  Kept(int64_t rows, int64_t vocab, Compute compute, at::Tensor& room)
      : rows_(rows), vocab_(vocab), halves_(keeps_halves(vocab, compute)) {
    const int64_t words = halves_ ? rows * ((vocab + 1) / 2) : rows * vocab;
    if (!room.defined() || room.numel() < words) {
      room.reset();  // before there are two
      room = at::empty({words}, at::kFloat);
    }
    floats_ = out(room);
    if (halves_) tops_.resize(static_cast<size_t>(rows * ((vocab + kColumns - 1) / kColumns)));
  }
  bool halves() const { return halves_; }
  // Of row t from `column` on: the logits themselves …
  float* logits(int64_t t, int64_t column) {
    const int64_t first = column / kColumns * kColumns;
    return floats_ + rows_ * first + t * columns_at(first) + (column - first);
  }
  // … or pairs, which begin at an even column.
  uint32_t* pairs(int64_t t, int64_t column) {
    const int64_t first = column / kColumns * kColumns;
    return reinterpret_cast<uint32_t*>(floats_) + rows_ * first / 2 + t * ((columns_at(first) + 1) / 2) +
           (column - first) / 2;
  }
  float& top(int64_t t, int64_t column) { return tops_[static_cast<size_t>(column / kColumns * rows_ + t)]; }

 private:
  int64_t columns_at(int64_t first) const { return std::min(kColumns, vocab_ - first); }

  int64_t rows_, vocab_;
  bool halves_;
  float* floats_;
  std::vector<float> tops_;
};

// kept: null, or what is to be filled.
void forward_blocks(const at::Tensor& hidden, const Matrix& head, const at::Tensor& targets, Values& values,
                    bool with_entropy, Kept* kept) {
  const int64_t rows = hidden.size(0), vocab = head.size(0);
  const int64_t* target = targets.const_data_ptr<int64_t>();
  for (int64_t t = 0; t < rows; ++t)
    PONDER_CHECK(target[t] >= 0 && target[t] < vocab, "target ", target[t], " is not in 0 … ", vocab - 1);
  HeadBlocks blocks(head);
  PackedView words;
  const bool one_block = vocab <= kColumns;
  const int64_t block = std::min(kColumns, vocab);
  HiddenBlocks left(hidden, block, head.compute);
  const bool in_place = kept && !kept->halves();
  at::Tensor scratch = block_scratch(in_place ? 0 : rows, block);
  float *logp = out(values.logp), *logsumexp = out(values.logsumexp);
  float* entropy = with_entropy ? out(values.entropy) : nullptr;
  std::vector<RunningLogsumexp> running(static_cast<size_t>(rows));
  const auto read_row = [&](float* x, int64_t t, int64_t column, int64_t columns) {
    RunningLogsumexp* sum = &running[static_cast<size_t>(t)];
    if (target[t] >= column && target[t] < column + columns) logp[t] = x[target[t] - column];
    if (kept && kept->halves()) {
      row_exp_and_add(x, columns, entropy, sum, &kept->top(t, column));
      return pack_row(x, columns, kept->pairs(t, column));
    }
    row_logsumexp_add(x, columns, entropy && !one_block, sum);
    if (entropy && one_block) row_entropy(x, columns, sum->logsumexp(), entropy + t);
  };
  for_each_block(
      rows, vocab, block, [&](int64_t column, int64_t columns) { words = blocks.transposed(column, columns); },
      [&](int64_t row, int64_t n, int64_t column, int64_t columns) {
        float* logits = in_place ? kept->logits(row, column) : out(scratch);
        left.multiply(row, words, logits);
        share_large(n * columns, n, 16, [&](int64_t from, int64_t to) {
          for (int64_t t = from; t < to; ++t) read_row(logits + t * columns, row + t, column, columns);
        });
      });
  for (int64_t t = 0; t < rows; ++t) {
    const RunningLogsumexp& sum = running[static_cast<size_t>(t)];
    logsumexp[t] = sum.logsumexp();
    logp[t] -= logsumexp[t];
    if (entropy && !one_block) entropy[t] = sum.entropy();
  }
}

// With p = softmax: ∂logits = slope · (1[v = target] − p), taken where the logits of a block were or are once more.
void backward_blocks(const at::Tensor& hidden, const Matrix& head, const at::Tensor& targets,
                     const at::Tensor& logsumexp, const at::Tensor& slope, Kept* kept, float* grad_hidden,
                     float* grad_head) {
  const int64_t rows = hidden.size(0), width = hidden.size(1), vocab = head.size(0);
  const int64_t* target = targets.const_data_ptr<int64_t>();
  HeadBlocks blocks(head);
  PackedView words, straight;
  const int64_t block = vocab <= kColumns ? vocab : kBackwardColumns;
  HiddenBlocks left(hidden, block, head.compute);
  at::Tensor scratch = block_scratch(rows, block);
  float* logits = out(scratch);
  const auto turn_row = [&](float* x, int64_t t, int64_t column, int64_t columns) {
    const float shift = in(logsumexp)[t], factor = -in(slope)[t];
    if (kept && kept->halves()) {
      row_scale_bf16(kept->pairs(t, column), columns, factor * std::exp(kept->top(t, column) - shift), x);
    } else {
      if (kept) std::memcpy(x, kept->logits(t, column), static_cast<size_t>(columns) * sizeof(float));
      row_exp(x, columns, shift, factor);
    }
    if (target[t] >= column && target[t] < column + columns) x[target[t] - column] -= factor;
  };
  for_each_block(
      rows, vocab, block,
      [&](int64_t column, int64_t columns) {
        if (!kept) words = blocks.transposed(column, columns);
        straight = blocks.straight(column, columns);
      },
      [&](int64_t row, int64_t n, int64_t column, int64_t columns) {
        if (!kept) left.multiply(row, words, logits);
        share_large(n * columns, n, 16, [&](int64_t from, int64_t to) {
          for (int64_t t = from; t < to; ++t) turn_row(logits + t * columns, row + t, column, columns);
        });
        float* sum = grad_hidden + row * width;
        gemm(logits, n, straight, column == 0 ? nullptr : sum, sum);
        if (grad_head) left.add_transposed(row, logits, columns, grad_head + column * width);
      });
}

bool in_blocks(const at::Tensor& hidden) { return hidden.is_cpu() && hidden.scalar_type() == at::kFloat; }

void check(const at::Tensor& hidden, const Matrix& head, const at::Tensor& targets) {
  PONDER_CHECK(
      hidden.dim() == 2 && hidden.size(1) == head.size(1) && targets.dim() == 1 && targets.size(0) == hidden.size(0),
      "head_logp wants hidden [T,", head.size(1), "] and targets [T]");
}

// Other devices make the logits of some rows as a whole. Returns the last of them.
at::Tensor forward_whole(const at::Tensor& hidden, const Matrix& head, const at::Tensor& targets, Values& values,
                         bool with_entropy) {
  const int64_t rows = hidden.size(0), step = kept_rows(head.size(0), Compute::kF32);
  at::Tensor logits;
  for (int64_t from = 0; from < rows; from += step) {
    const int64_t n = std::min(step, rows - from);
    logits.reset();
    logits = linear(hidden.narrow(0, from, n), head);
    const TargetLogp found = target_logp(logits, targets.narrow(0, from, n), with_entropy);
    values.logp.narrow(0, from, n).copy_(found.logp);
    values.logsumexp.narrow(0, from, n).copy_(found.logsumexp);
    if (with_entropy) values.entropy.narrow(0, from, n).copy_(found.entropy);
  }
  return logits;
}

// logits: those of all rows, kept, or anything where there are more rows than are kept.
void backward_whole(const at::Tensor& hidden, const Matrix& head, const at::Tensor& targets,
                    const at::Tensor& logsumexp, const at::Tensor& slope, at::Tensor logits, at::Tensor& grad_hidden,
                    at::Tensor* grad_head) {
  const int64_t rows = hidden.size(0), step = kept_rows(head.size(0), Compute::kF32);
  for (int64_t from = 0; from < rows; from += step) {
    const int64_t n = std::min(step, rows - from);
    const at::Tensor x = hidden.narrow(0, from, n);
    if (rows > step) {
      logits.reset();  // before there are two
      logits = linear(x, head);
    }
    target_logp_backward_(logits, targets.narrow(0, from, n), logsumexp.narrow(0, from, n), slope.narrow(0, from, n));
    grad_hidden.narrow(0, from, n).copy_(linear_grad_x(logits, head));
    if (grad_head) add_linear_grad_w(*grad_head, logits, x, head.compute);
  }
}

}  // namespace

int64_t kept_rows(int64_t vocab, Compute compute) {
  return std::max<int64_t>(1, kKeptBytes / (keeps_halves(vocab, compute) ? 2 : 4) / vocab);
}

bool packs_by_block(const Matrix& head) { return head.size(0) > kColumns; }

HeadLogp head_logp(const at::Tensor& hidden_in, const Matrix& head, const at::Tensor& targets, bool with_entropy) {
  check(hidden_in, head, targets);
  const at::NoGradGuard no_grad;
  const at::Tensor hidden = hidden_in.detach().contiguous();
  Values values(hidden, with_entropy);
  if (in_blocks(hidden))
    forward_blocks(hidden, head, targets, values, with_entropy, nullptr);
  else
    forward_whole(hidden, head, targets, values, with_entropy);
  return {values.logp, values.entropy};
}

at::Tensor head_logp_gradient(const at::Tensor& hidden_in, const Matrix& head, const at::Tensor& targets_in,
                              std::span<const int64_t> ends, bool with_entropy, const HeadSlopes& slopes,
                              at::Tensor& room) {
  check(hidden_in, head, targets_in);
  const at::NoGradGuard no_grad;
  const at::Tensor all = hidden_in.detach().contiguous();
  PONDER_CHECK(all.size(0) == (ends.empty() ? 0 : ends.back()), "the last chunk must end behind the last row");
  std::optional<WeightGradient> grad_head;
  if (head.weight.defined() && head.weight.requires_grad()) grad_head.emplace(head.weight);
  PONDER_CHECK(!grad_head || !grad_head->hand_on.defined(), "a head that wants a gradient needs a .grad to add it to");
  at::Tensor grad = at::empty_like(all);
  for (size_t c = 0; c < ends.size(); ++c) {
    const int64_t first = c == 0 ? 0 : ends[c - 1], n = ends[c] - first;
    PONDER_CHECK(n > 0, "chunks must not be empty");
    const at::Tensor hidden = all.narrow(0, first, n), targets = targets_in.narrow(0, first, n);
    at::Tensor grad_hidden = grad.narrow(0, first, n);
    Values values(hidden, with_entropy);
    const auto slope = [&] { return slopes(c, {values.logp, values.entropy}).to(hidden.options()).contiguous(); };
    if (in_blocks(hidden)) {
      std::optional<Kept> kept;
      if (n <= kept_rows(head.size(0), head.compute)) kept.emplace(n, head.size(0), head.compute, room);
      forward_blocks(hidden, head, targets, values, with_entropy, kept ? &*kept : nullptr);
      backward_blocks(hidden, head, targets, values.logsumexp, slope(), kept ? &*kept : nullptr, out(grad_hidden),
                      grad_head ? out(grad_head->sum) : nullptr);
    } else {
      at::Tensor last = forward_whole(hidden, head, targets, values, with_entropy);
      backward_whole(hidden, head, targets, values.logsumexp, slope(), std::move(last), grad_hidden,
                     grad_head ? &grad_head->sum : nullptr);
    }
  }
  return grad;
}

}  // namespace ponder::tensor
