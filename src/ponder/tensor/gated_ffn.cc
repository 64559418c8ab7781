#include <ATen/core/grad_mode.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/silu.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "ponder/base/error.h"
#include "ponder/tensor/gemm.h"
#include "ponder/tensor/kernels.h"
#include "ponder/tensor/matrix.h"
#include "ponder/tensor/ops.h"
#include "ponder/tensor/team.h"

namespace ponder::tensor {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::Variable;
using torch::autograd::variable_list;
using MaybeTensor = std::optional<at::Tensor>;

bool wants_grad(const MaybeTensor& x) { return at::GradMode::is_enabled() && x && x->defined() && x->requires_grad(); }

// Rows at a time: of a laptop's model their 3F numbers stay in the second cache while products and activation pass over
// them, of a large one they are still far fewer than all rows' would be.
constexpr int64_t kBlockRows = 256;
constexpr int64_t kActivation = 8;  // operations of an activation, roughly

// Grows and is kept, one a thread and use.
template <int kUse>
float* scratch(int64_t floats) {
  thread_local std::vector<float> buffer;
  if (buffer.size() < static_cast<size_t>(floats)) buffer.resize(static_cast<size_t>(floats));
  return buffer.data();
}

// The layer's inputs by rows: x and y have D columns, gate_up 2F. Null where there is none.
struct Rows {
  const float *x, *residual;
  float *gate_up, *y;
  int64_t count, width, ffn;
};

void forward_rows(const Rows& rows, const PackedView& gate_up, const PackedView& down, Gate gate) {
  const int64_t ffn = rows.ffn, width = rows.width, block = std::min(kBlockRows, rows.count);
  float* inner = scratch<0>(block * ffn);
  for (int64_t from = 0; from < rows.count; from += block) {
    const int64_t n = std::min(block, rows.count - from);
    float* halves = rows.gate_up ? rows.gate_up + from * 2 * ffn : scratch<1>(block * 2 * ffn);
    gemm(rows.x + from * width, n, gate_up, nullptr, halves);
    share_large(n * ffn * kActivation, n, 8, [&](int64_t first, int64_t end) {
      const auto activate = gate == Gate::kGelu ? geglu_rows : swiglu_rows;
      activate(halves + first * 2 * ffn, end - first, ffn, inner + first * ffn);
    });
    gemm(inner, n, down, rows.residual ? rows.residual + from * width : nullptr, rows.y + from * width);
  }
}

at::Tensor forward(const MaybeTensor& residual, const at::Tensor& x, const Matrix& gate_up, const Matrix& down,
                   Gate gate, at::Tensor* halves) {
  const at::Tensor added = residual ? residual->contiguous() : at::Tensor();
  at::Tensor y = at::empty_like(x);
  if (halves) *halves = at::empty({x.size(0), gate_up.size(0)}, x.options());
  const at::Tensor gate_up_words = transposed_words(gate_up), down_words = transposed_words(down);
  forward_rows({x.const_data_ptr<float>(), added.defined() ? added.const_data_ptr<float>() : nullptr,
                halves ? halves->mutable_data_ptr<float>() : nullptr, y.mutable_data_ptr<float>(), x.size(0), x.size(1),
                down.size(1)},
               packed_view(gate_up_words, x.size(1), gate_up.size(0), gate_up.compute),
               packed_view(down_words, down.size(1), x.size(1), down.compute), gate);
  return y;
}

// What the backward pass reads and writes by rows; a gradient of weights is added to.
struct Gradient {
  const float *grad, *x, *gate_up;
  float *grad_x, *grad_gate_up, *grad_down;
  int64_t count, width, ffn;
};

void backward_rows(const Gradient& s, const PackedView& gate_up, const PackedView& down, Gate gate) {
  const int64_t ffn = s.ffn, width = s.width, block = std::min(kBlockRows, s.count);
  float *inner = scratch<0>(block * ffn), *grad_halves = scratch<1>(block * 2 * ffn);
  float* grad_inner = scratch<2>(block * ffn);
  for (int64_t from = 0; from < s.count; from += block) {
    const int64_t n = std::min(block, s.count - from);
    const float *grad = s.grad + from * width, *x = s.x + from * width, *halves = s.gate_up + from * 2 * ffn;
    gemm(grad, n, down, nullptr, grad_inner);
    share_large(n * ffn * kActivation, n, 8, [&](int64_t first, int64_t end) {
      const auto turn = gate == Gate::kGelu ? geglu_rows_backward : swiglu_rows_backward;
      turn(grad_inner + first * ffn, halves + first * 2 * ffn, end - first, ffn, grad_halves + first * 2 * ffn,
           inner + first * ffn);
    });
    gemm_transposed_add(grad, inner, n, width, ffn, down.compute, s.grad_down);
    gemm(grad_halves, n, gate_up, nullptr, s.grad_x + from * width);
    gemm_transposed_add(grad_halves, x, n, 2 * ffn, width, gate_up.compute, s.grad_gate_up);
  }
}

// The weights come twice: as what autograd follows, and with their packed copies.
struct GatedFfn : Function<GatedFfn> {
  static Variable forward(AutogradContext* ctx, const MaybeTensor& residual, const Variable& x,
                          const Variable& gate_weight, const Variable& down_weight, const Matrix& gate_up,
                          const Matrix& down, Gate gate) {
    at::Tensor halves;
    at::Tensor y = tensor::forward(residual, x, gate_up, down, gate, &halves);
    ctx->save_for_backward({x, halves, gate_weight, down_weight, gate_up.straight, down.straight});
    ctx->saved_data["compute"] = std::vector<int64_t>{int64_t(gate_up.compute), int64_t(down.compute)};
    ctx->saved_data["gate"] = static_cast<int64_t>(gate);
    ctx->saved_data["adds"] = residual.has_value();
    return y;
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const auto compute = ctx->saved_data["compute"].toIntVector();
    const at::Tensor grad = grads[0].contiguous(), &x = saved[0], &halves = saved[1];
    Matrix gate_up(saved[2], static_cast<Compute>(compute[0])), down(saved[3], static_cast<Compute>(compute[1]));
    gate_up.straight = saved[4], down.straight = saved[5];
    const at::Tensor gate_up_words = straight_words(gate_up), down_words = straight_words(down);
    at::Tensor grad_x = at::empty_like(x);
    WeightGradient grad_gate_up(saved[2]), grad_down(saved[3]);
    const int64_t width = x.size(1), ffn = down.size(1);
    backward_rows({grad.const_data_ptr<float>(), x.const_data_ptr<float>(), halves.const_data_ptr<float>(),
                   grad_x.mutable_data_ptr<float>(), grad_gate_up.sum.mutable_data_ptr<float>(),
                   grad_down.sum.mutable_data_ptr<float>(), x.size(0), width, ffn},
                  packed_view(gate_up_words, 2 * ffn, width, gate_up.compute),
                  packed_view(down_words, width, ffn, down.compute),
                  static_cast<Gate>(ctx->saved_data["gate"].toInt()));
    return {ctx->saved_data["adds"].toBool() ? grad : Variable(),
            grad_x,
            grad_gate_up.hand_on,
            grad_down.hand_on,
            Variable(),
            Variable(),
            Variable()};
  }
};

at::Tensor generic(const MaybeTensor& residual, const at::Tensor& x, const Matrix& gate_up, const Matrix& down,
                   Gate gate) {
  const at::Tensor halves = at::mm(x, gate_up.weight.t());
  const int64_t ffn = halves.size(1) / 2;
  const at::Tensor low = halves.narrow(1, 0, ffn), up = halves.narrow(1, ffn, ffn);
  const at::Tensor inner = (gate == Gate::kGelu ? at::gelu(low, "tanh") : at::silu(low)).mul(up);
  return residual ? at::addmm(*residual, inner, down.weight.t()) : at::mm(inner, down.weight.t());
}

}  // namespace

at::Tensor gated_ffn(const MaybeTensor& residual, const at::Tensor& x, const Matrix& gate_up, const Matrix& down,
                     Gate gate) {
  PONDER_CHECK(x.dim() == 2 && x.size(1) == gate_up.size(1) && x.size(1) == down.size(0) &&
                   gate_up.size(0) == 2 * down.size(1) && down.size(1) % 16 == 0,
               "gated_ffn wants x [T,D], gate_up [2F,D] and down [D,F], F a multiple of 16");
  if (!x.is_cpu() || x.scalar_type() != at::kFloat) return generic(residual, x, gate_up, down, gate);
  const at::Tensor rows = x.contiguous();
  if (wants_grad(residual) || wants_grad(x) || wants_grad(gate_up.weight) || wants_grad(down.weight))
    return GatedFfn::apply(residual, rows, gate_up.weight, down.weight, gate_up, down, gate);
  return forward(residual, rows, gate_up, down, gate, nullptr);
}

}  // namespace ponder::tensor
