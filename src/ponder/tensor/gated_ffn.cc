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

// What the backward pass reads and writes by rows; a gradient of weights is added to, or null where they stay.
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
    if (s.grad_down) gemm_transposed_add(grad, inner, n, width, ffn, down.compute, s.grad_down);
    gemm(grad_halves, n, gate_up, nullptr, s.grad_x + from * width);
    if (s.grad_gate_up) gemm_transposed_add(grad_halves, x, n, 2 * ffn, width, gate_up.compute, s.grad_gate_up);
  }
}

bool trains(const Matrix& m) { return m.weight.defined() && m.weight.requires_grad(); }

// The weights come twice: as what autograd follows, and with their packed copies.
struct GatedFfn : Function<GatedFfn> {
  static Variable forward(AutogradContext* ctx, const MaybeTensor& residual, const Variable& x,
                          const MaybeTensor& gate_weight, const MaybeTensor& down_weight, const Matrix& gate_up,
                          const Matrix& down, Gate gate) {
    at::Tensor halves;
    at::Tensor y = tensor::forward(residual, x, gate_up, down, gate, &halves);
    const auto first = saved_words(gate_up), second = saved_words(down);
    ctx->save_for_backward({x, halves, gate_weight.value_or(at::Tensor()), down_weight.value_or(at::Tensor()), first[0],
                            first[1], second[0], second[1]});
    ctx->saved_data["gate_up"] = saved_shape(gate_up);
    ctx->saved_data["down"] = saved_shape(down);
    ctx->saved_data["gate"] = static_cast<int64_t>(gate);
    ctx->saved_data["adds"] = residual.has_value();
    return y;
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const at::Tensor grad = grads[0].contiguous(), &x = saved[0], &halves = saved[1];
    const Matrix gate_up = restored(saved[2], saved[4], saved[5], ctx->saved_data["gate_up"].toIntVector());
    const Matrix down = restored(saved[3], saved[6], saved[7], ctx->saved_data["down"].toIntVector());
    const at::Tensor gate_up_words = straight_words(gate_up), down_words = straight_words(down);
    at::Tensor grad_x = at::empty_like(x);
    std::optional<WeightGradient> grad_gate_up, grad_down;
    if (trains(gate_up)) grad_gate_up.emplace(gate_up.weight);
    if (trains(down)) grad_down.emplace(down.weight);
    const int64_t width = x.size(1), ffn = down.size(1);
    backward_rows(
        {grad.const_data_ptr<float>(), x.const_data_ptr<float>(), halves.const_data_ptr<float>(),
         grad_x.mutable_data_ptr<float>(), grad_gate_up ? grad_gate_up->sum.mutable_data_ptr<float>() : nullptr,
         grad_down ? grad_down->sum.mutable_data_ptr<float>() : nullptr, x.size(0), width, ffn},
        packed_view(gate_up_words, 2 * ffn, width, straight_compute(gate_up)),
        packed_view(down_words, width, ffn, straight_compute(down)),
        static_cast<Gate>(ctx->saved_data["gate"].toInt()));
    return {ctx->saved_data["adds"].toBool() ? grad : Variable(),
            grad_x,
            grad_gate_up ? grad_gate_up->hand_on : Variable(),
            grad_down ? grad_down->hand_on : Variable(),
            Variable(),
            Variable(),
            Variable()};
  }
};

// ---- the activation alone ----
void activate_rows(const at::Tensor& halves, Gate gate, at::Tensor& y) {
  const int64_t ffn = y.size(1);
  const float* from = halves.const_data_ptr<float>();
  float* to = y.mutable_data_ptr<float>();
  share_large(y.numel() * kActivation, y.size(0), 8, [&](int64_t first, int64_t end) {
    (gate == Gate::kGelu ? geglu_rows : swiglu_rows)(from + first * 2 * ffn, end - first, ffn, to + first * ffn);
  });
}

struct Gated : Function<Gated> {
  static Variable forward(AutogradContext* ctx, const Variable& halves, Gate gate) {
    ctx->save_for_backward({halves});
    ctx->saved_data["gate"] = static_cast<int64_t>(gate);
    at::Tensor y = at::empty({halves.size(0), halves.size(1) / 2}, halves.options());
    activate_rows(halves, gate, y);
    return y;
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const at::Tensor grad = grads[0].contiguous(), halves = ctx->get_saved_variables()[0];
    const bool gelu = static_cast<Gate>(ctx->saved_data["gate"].toInt()) == Gate::kGelu;
    at::Tensor grad_halves = at::empty_like(halves), y = at::empty_like(grad);
    const int64_t ffn = grad.size(1);
    const float *from = grad.const_data_ptr<float>(), *x = halves.const_data_ptr<float>();
    float *to = grad_halves.mutable_data_ptr<float>(), *again = y.mutable_data_ptr<float>();
    share_large(grad.numel() * kActivation, grad.size(0), 8, [&](int64_t first, int64_t end) {
      const auto turn = gelu ? geglu_rows_backward : swiglu_rows_backward;
      turn(from + first * ffn, x + first * 2 * ffn, end - first, ffn, to + first * 2 * ffn, again + first * ffn);
    });
    return {grad_halves, Variable()};
  }
};

at::Tensor generic_gated(const at::Tensor& halves, Gate gate) {
  const int64_t ffn = halves.size(1) / 2;
  const at::Tensor low = halves.narrow(1, 0, ffn), up = halves.narrow(1, ffn, ffn);
  return (gate == Gate::kGelu ? at::gelu(low, "tanh") : at::silu(low)).mul(up);
}

at::Tensor generic(const MaybeTensor& residual, const at::Tensor& x, const Matrix& gate_up, const Matrix& down,
                   Gate gate) {
  const at::Tensor inner = generic_gated(at::mm(x, gate_up.weight.t()), gate);
  return residual ? at::addmm(*residual, inner, down.weight.t()) : at::mm(inner, down.weight.t());
}

}  // namespace

at::Tensor gated(const at::Tensor& halves, Gate gate) {
  PONDER_CHECK(halves.dim() == 2 && halves.size(1) % 32 == 0, "gated wants [T,2F], F a multiple of 16");
  if (!halves.is_cpu() || halves.scalar_type() != at::kFloat) return generic_gated(halves, gate);
  const at::Tensor rows = halves.contiguous();
  if (wants_grad(halves)) return Gated::apply(rows, gate);
  at::Tensor y = at::empty({rows.size(0), rows.size(1) / 2}, rows.options());
  activate_rows(rows, gate, y);
  return y;
}

at::Tensor gated_ffn(const MaybeTensor& residual, const at::Tensor& x, const Matrix& gate_up, const Matrix& down,
                     Gate gate) {
  PONDER_CHECK(x.dim() == 2 && x.size(1) == gate_up.size(1) && x.size(1) == down.size(0) &&
                   gate_up.size(0) == 2 * down.size(1) && down.size(1) % 16 == 0,
               "gated_ffn wants x [T,D], gate_up [2F,D] and down [D,F], F a multiple of 16");
  if (!x.is_cpu() || x.scalar_type() != at::kFloat) return generic(residual, x, gate_up, down, gate);
  const at::Tensor rows = x.contiguous();
  if (wants_grad(residual) || wants_grad(x) || wants_grad(gate_up.weight) || wants_grad(down.weight))
    return GatedFfn::apply(residual, rows, followed(gate_up), followed(down), gate_up, down, gate);
  return forward(residual, rows, gate_up, down, gate, nullptr);
}

}  // namespace ponder::tensor
