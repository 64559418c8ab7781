#include <ATen/core/grad_mode.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>
#include <torch/csrc/autograd/custom_function.h>

#include <optional>

#include "ponder/base/error.h"
#include "ponder/tensor/gemm.h"
#include "ponder/tensor/matrix.h"
#include "ponder/tensor/ops.h"

namespace ponder::tensor {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::Variable;
using torch::autograd::variable_list;
using MaybeTensor = std::optional<at::Tensor>;

bool on_cpu_f32(const at::Tensor& x) { return x.is_cpu() && x.scalar_type() == at::kFloat; }
bool wants_grad(const at::Tensor& x) { return at::GradMode::is_enabled() && x.defined() && x.requires_grad(); }

const float* in(const at::Tensor& x) { return x.const_data_ptr<float>(); }

// x · words (+ residual) → y [T,columns].
void multiply_into(const at::Tensor& x, const at::Tensor& words, Compute compute, const MaybeTensor& residual,
                   at::Tensor& y) {
  const at::Tensor rows = x.contiguous();
  const at::Tensor added = residual ? residual->contiguous() : at::Tensor();
  const PackedView packed = packed_view(words, rows.size(1), y.size(1), compute);
  gemm(in(rows), rows.size(0), packed, added.defined() ? in(added) : nullptr, y.mutable_data_ptr<float>());
}

at::Tensor multiply(const at::Tensor& x, const at::Tensor& words, int64_t columns, Compute compute,
                    const MaybeTensor& residual) {
  at::Tensor y = at::empty({x.size(0), columns}, x.options());
  multiply_into(x, words, compute, residual, y);
  return y;
}

at::Tensor forward_product(const at::Tensor& x, const Matrix& w, const MaybeTensor& residual) {
  PONDER_CHECK(x.dim() == 2 && x.size(1) == w.size(1), "a product wants x [T,", w.size(1), "]");
  return multiply(x, transposed_words(w), w.size(0), w.compute, residual);
}

// The weight comes twice: as what autograd follows, and with its packed copies.
struct Linear : Function<Linear> {
  static Variable forward(AutogradContext* ctx, const Variable& x, const MaybeTensor& weight,
                          const MaybeTensor& residual, const Matrix& w) {
    const auto words = saved_words(w);
    ctx->save_for_backward({x, weight.value_or(at::Tensor()), words[0], words[1]});
    ctx->saved_data["shape"] = saved_shape(w);
    ctx->saved_data["adds"] = residual.has_value();
    return forward_product(x, w, residual);
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const at::Tensor grad = grads[0].contiguous();
    const Matrix w = restored(saved[1], saved[2], saved[3], ctx->saved_data["shape"].toIntVector());
    at::Tensor grad_x, grad_w;
    if (ctx->needs_input_grad(0)) grad_x = linear_grad_x(grad, w);
    if (w.weight.defined() && ctx->needs_input_grad(1)) {
      WeightGradient gradient(w.weight);
      add_linear_grad_w(gradient.sum, grad, saved[0], w.compute);
      grad_w = gradient.hand_on;
    }
    return {grad_x, grad_w, ctx->saved_data["adds"].toBool() ? grad : Variable(), Variable()};
  }
};

at::Tensor product(const at::Tensor& x, const Matrix& w, const MaybeTensor& residual) {
  if (wants_grad(x) || wants_grad(w.weight) || (residual && wants_grad(*residual)))
    return Linear::apply(x, followed(w), residual, w);
  return forward_product(x, w, residual);
}

}  // namespace

at::Tensor linear(const at::Tensor& x, const Matrix& w) {
  return on_cpu_f32(x) ? product(x, w, std::nullopt) : at::mm(x, w.weight.t());
}

at::Tensor linear_into(at::Tensor& buffer, const at::Tensor& x, const Matrix& w) {
  if (!on_cpu_f32(x)) return linear(x, w);
  PONDER_CHECK(x.dim() == 2 && x.size(1) == w.size(1), "a product wants x [T,", w.size(1), "]");
  const int64_t size = x.size(0) * w.size(0);
  if (!buffer.defined() || buffer.numel() < size) buffer = at::empty({size}, x.options());
  at::Tensor y = buffer.narrow(0, 0, size).view({x.size(0), w.size(0)});
  multiply_into(x, transposed_words(w), w.compute, std::nullopt, y);
  return y;
}

at::Tensor linear_add(const at::Tensor& residual, const at::Tensor& x, const Matrix& w) {
  return on_cpu_f32(x) ? product(x, w, residual) : at::addmm(residual, x, w.weight.t());
}

at::Tensor linear_grad_x(const at::Tensor& grad, const Matrix& w) {
  if (!on_cpu_f32(grad)) return at::mm(grad, w.weight);
  return multiply(grad, straight_words(w), w.size(1), straight_compute(w), std::nullopt);
}

void add_linear_grad_w(at::Tensor& grad_w, const at::Tensor& grad, const at::Tensor& x, Compute compute) {
  if (!on_cpu_f32(grad)) {
    grad_w.addmm_(grad.t(), x);
    return;
  }
  const at::Tensor g = grad.contiguous(), rows = x.contiguous();
  gemm_transposed_add(in(g), in(rows), g.size(0), g.size(1), rows.size(1), compute, grad_w.mutable_data_ptr<float>());
}

}  // namespace ponder::tensor
