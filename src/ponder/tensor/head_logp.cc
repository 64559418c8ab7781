#include "ponder/tensor/head_logp.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "ponder/base/error.h"
#include "ponder/tensor/kernels.h"
#include "ponder/tensor/log_softmax.h"
#include "ponder/tensor/ops.h"
#include "ponder/tensor/team.h"

namespace ponder::tensor {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Columns of a block are those whose log-sum-exp is taken together. Rows of a block: 1 Mi logits, but as many as the
// gradient's product takes at a time.
constexpr int64_t kColumns = kLogsumexpBlock;
// The backward pass multiplies along a block's columns: fewer leave more rows beside a panel in the second cache.
constexpr int64_t kBackwardColumns = 960;
constexpr int64_t kRows = 512, kBlockLogits = int64_t{1} << 20;

int64_t block_rows(int64_t columns) { return std::max(kRows, kBlockLogits / columns / kRows * kRows); }

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
    straight_.resize(static_cast<size_t>(packed_words(n, width_, compute)));
    unpack_transposed(packed_view(head_.transposed, width_, vocab_, head_.compute).words, vocab_, width_, head_.compute,
                      first, n, rows_.data());
    pack_straight(rows_.data(), n, width_, compute, straight_.data());
    return {straight_.data(), n, width_, compute};
  }

 private:
  template <class Pack>
  PackedView pack(std::vector<uint32_t>& words, Pack pack, int64_t first, int64_t n, int64_t depth, int64_t columns) {
    PONDER_CHECK(head_.weight.defined() && head_.weight.is_contiguous(), "the head must be contiguous [V,D]");
    words.resize(static_cast<size_t>(packed_words(depth, columns, head_.compute)));
    pack(in(head_.weight) + first * width_, n, width_, head_.compute, words.data());
    return {words.data(), depth, columns, head_.compute};
  }

  const Matrix& head_;
  int64_t vocab_, width_;
  std::vector<uint32_t> transposed_, straight_;
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

at::Tensor block_scratch(int64_t rows, int64_t columns) {
  return at::empty({std::min(block_rows(columns), rows) * columns}, at::kFloat);
}

struct Values {
  at::Tensor logp, logsumexp, entropy;
};

void forward_blocks(const at::Tensor& hidden, const Matrix& head, const at::Tensor& targets, Values& values,
                    bool with_entropy) {
  const int64_t rows = hidden.size(0), width = hidden.size(1), vocab = head.size(0);
  const int64_t* target = targets.const_data_ptr<int64_t>();
  for (int64_t t = 0; t < rows; ++t)
    PONDER_CHECK(target[t] >= 0 && target[t] < vocab, "target ", target[t], " is not in 0 … ", vocab - 1);
  HeadBlocks blocks(head);
  PackedView words;
  const bool one_block = vocab <= kColumns;
  const int64_t block = std::min(kColumns, vocab);
  at::Tensor scratch = block_scratch(rows, block);
  float *logits = out(scratch), *logp = out(values.logp), *logsumexp = out(values.logsumexp);
  float* entropy = with_entropy ? out(values.entropy) : nullptr;
  std::vector<RunningLogsumexp> running(static_cast<size_t>(rows));
  const auto read_row = [&](const float* x, int64_t t, int64_t column, int64_t columns) {
    row_logsumexp_add(x, columns, entropy && !one_block, &running[static_cast<size_t>(t)]);
    if (target[t] >= column && target[t] < column + columns) logp[t] = x[target[t] - column];
    if (entropy && one_block) row_entropy(x, columns, running[static_cast<size_t>(t)].logsumexp(), entropy + t);
  };
  for_each_block(
      rows, vocab, block, [&](int64_t column, int64_t columns) { words = blocks.transposed(column, columns); },
      [&](int64_t row, int64_t n, int64_t column, int64_t columns) {
        gemm(in(hidden) + row * width, n, words, nullptr, logits);
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

// With p = softmax: ∂logits = slope · (1[v = target] − p), taken where the logits of a block were.
void backward_blocks(const at::Tensor& hidden, const Matrix& head, const at::Tensor& targets,
                     const at::Tensor& logsumexp, const at::Tensor& slope, float* grad_hidden, float* grad_head) {
  const int64_t rows = hidden.size(0), width = hidden.size(1), vocab = head.size(0);
  const int64_t* target = targets.const_data_ptr<int64_t>();
  HeadBlocks blocks(head);
  PackedView words, straight;
  const int64_t block = vocab <= kColumns ? vocab : kBackwardColumns;
  at::Tensor scratch = block_scratch(rows, block);
  float* logits = out(scratch);
  const auto turn_row = [&](float* x, int64_t t, int64_t column, int64_t columns) {
    row_exp(x, columns, in(logsumexp)[t], -in(slope)[t]);
    if (target[t] >= column && target[t] < column + columns) x[target[t] - column] += in(slope)[t];
  };
  for_each_block(
      rows, vocab, block,
      [&](int64_t column, int64_t columns) {
        words = blocks.transposed(column, columns);
        straight = blocks.straight(column, columns);
      },
      [&](int64_t row, int64_t n, int64_t column, int64_t columns) {
        const float* x = in(hidden) + row * width;
        gemm(x, n, words, nullptr, logits);
        share_large(n * columns, n, 16, [&](int64_t from, int64_t to) {
          for (int64_t t = from; t < to; ++t) turn_row(logits + t * columns, row + t, column, columns);
        });
        float* sum = grad_hidden + row * width;
        gemm(logits, n, straight, column == 0 ? nullptr : sum, sum);
        if (grad_head) gemm_transposed_add(logits, x, n, columns, width, head.compute, grad_head + column * width);
      });
}

// Other devices make the logits of a few rows at a time.
constexpr int64_t kChunkLogits = int64_t{1} << 22;
int64_t chunk_rows(int64_t vocab) { return std::max<int64_t>(64, kChunkLogits / vocab); }

void forward_chunks(const at::Tensor& hidden, const Matrix& head, const at::Tensor& targets, Values& values,
                    bool with_entropy) {
  const int64_t rows = hidden.size(0), step = chunk_rows(head.size(0));
  for (int64_t from = 0; from < rows; from += step) {
    const int64_t n = std::min(step, rows - from);
    const at::Tensor logits = linear(hidden.narrow(0, from, n), head);
    const auto chunk = target_logp(logits, targets.narrow(0, from, n), with_entropy);
    values.logp.narrow(0, from, n).copy_(chunk.logp);
    values.logsumexp.narrow(0, from, n).copy_(chunk.logsumexp);
    if (with_entropy) values.entropy.narrow(0, from, n).copy_(chunk.entropy);
  }
}

void backward_chunks(const at::Tensor& hidden, const Matrix& head, const at::Tensor& targets,
                     const at::Tensor& logsumexp, const at::Tensor& slope, at::Tensor& grad_hidden,
                     at::Tensor* grad_head) {
  const int64_t rows = hidden.size(0), step = chunk_rows(head.size(0));
  for (int64_t from = 0; from < rows; from += step) {
    const int64_t n = std::min(step, rows - from);
    const at::Tensor part = hidden.narrow(0, from, n);
    at::Tensor logits = linear(part, head);
    target_logp_backward_(logits, targets.narrow(0, from, n), logsumexp.narrow(0, from, n), slope.narrow(0, from, n));
    grad_hidden.narrow(0, from, n).copy_(linear_grad_x(logits, head));
    if (grad_head) add_linear_grad_w(*grad_head, logits, part, head.compute);
  }
}

bool in_blocks(const at::Tensor& hidden) { return hidden.is_cpu() && hidden.scalar_type() == at::kFloat; }

// The head comes twice: as what autograd follows, and with its packed copies.
struct HeadLogpFunction : torch::autograd::Function<HeadLogpFunction> {
  static variable_list forward(AutogradContext* ctx, const at::Tensor& hidden_in,
                               const std::optional<at::Tensor>& head_weight, const at::Tensor& targets,
                               const Matrix& head, bool with_entropy) {
    const at::Tensor hidden = hidden_in.contiguous();
    const int64_t rows = hidden.size(0);
    Values values{at::empty({rows}, hidden.options()), at::empty({rows}, hidden.options()), at::Tensor()};
    if (with_entropy) values.entropy = at::empty({rows}, hidden.options());
    (in_blocks(hidden) ? forward_blocks : forward_chunks)(hidden, head, targets, values, with_entropy);
    ctx->save_for_backward(
        {hidden, head_weight.value_or(at::Tensor()), targets, values.logsumexp, head.transposed, head.straight});
    ctx->saved_data["head"] = saved_shape(head);
    if (!with_entropy) return {values.logp};
    ctx->mark_non_differentiable({values.entropy});
    return {values.logp, values.entropy};
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    const auto saved = ctx->get_saved_variables();
    const at::Tensor &hidden = saved[0], &targets = saved[2], &logsumexp = saved[3];
    const Matrix head = restored(saved[1], saved[5], saved[4], ctx->saved_data["head"].toIntVector());
    const at::Tensor slope = grads[0].contiguous();
    at::Tensor grad_hidden = at::empty_like(hidden);
    std::optional<WeightGradient> grad_head;
    if (head.weight.defined() && ctx->needs_input_grad(1)) grad_head.emplace(head.weight);
    if (in_blocks(hidden))
      backward_blocks(hidden, head, targets, logsumexp, slope, out(grad_hidden),
                      grad_head ? out(grad_head->sum) : nullptr);
    else
      backward_chunks(hidden, head, targets, logsumexp, slope, grad_hidden, grad_head ? &grad_head->sum : nullptr);
    return {grad_hidden, grad_head ? grad_head->hand_on : at::Tensor(), at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

bool packs_by_block(const Matrix& head) { return head.size(0) > kColumns; }

HeadLogp head_logp(const at::Tensor& hidden, const Matrix& head, const at::Tensor& targets, bool with_entropy) {
  PONDER_CHECK(
      hidden.dim() == 2 && hidden.size(1) == head.size(1) && targets.dim() == 1 && targets.size(0) == hidden.size(0),
      "head_logp wants hidden [T,", head.size(1), "] and targets [T]");
  const auto out = HeadLogpFunction::apply(hidden, followed(head), targets, head, with_entropy);
  return {out[0], with_entropy ? out[1] : at::Tensor()};
}

}  // namespace ponder::tensor
