#include "ponder/tensor/ops.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/rms_norm.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/custom_function.h>

#include <utility>

#include "ponder/base/error.h"
#include "ponder/tensor/kernels.h"
#include "ponder/tensor/rotary.h"

namespace ponder::tensor {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::Variable;
using torch::autograd::variable_list;

bool on_cpu_f32(const at::Tensor& x) { return x.is_cpu() && x.scalar_type() == at::kFloat; }

bool wants_grad(const at::Tensor& a) { return at::GradMode::is_enabled() && a.requires_grad(); }
bool wants_grad(const at::Tensor& a, const at::Tensor& b) { return wants_grad(a) || wants_grad(b); }

const float* in(const at::Tensor& x) { return x.const_data_ptr<float>(); }
float* out(at::Tensor& x) { return x.mutable_data_ptr<float>(); }

// ---- RMSNorm ----
at::Tensor rms_norm_forward(const at::Tensor& x, const at::Tensor& w, double eps, at::Tensor* rstd) {
  at::Tensor y = at::empty_like(x);
  if (rstd) *rstd = at::empty({x.size(0)}, x.options());
  rms_norm_rows(in(x), in(w), x.size(0), x.size(1), static_cast<float>(eps), out(y), rstd ? out(*rstd) : nullptr);
  return y;
}

struct RmsNorm : Function<RmsNorm> {
  static Variable forward(AutogradContext* ctx, const Variable& x, const Variable& w, double eps) {
    at::Tensor rstd;
    at::Tensor y = rms_norm_forward(x, w, eps, &rstd);
    ctx->save_for_backward({x, w, rstd});
    return y;
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const at::Tensor grad = grads[0].contiguous(), &x = saved[0], &w = saved[1], &rstd = saved[2];
    at::Tensor grad_x = at::empty_like(x), grad_w = at::zeros(w.sizes(), w.options());
    rms_norm_rows_backward(in(grad), in(x), in(w), in(rstd), x.size(0), x.size(1), out(grad_x), out(grad_w));
    return {grad_x, grad_w, Variable()};
  }
};

// ---- SwiGLU ----
at::Tensor swiglu_forward(const at::Tensor& gate_up) {
  const int64_t ffn = gate_up.size(1) / 2;
  at::Tensor y = at::empty({gate_up.size(0), ffn}, gate_up.options());
  swiglu_rows(in(gate_up), gate_up.size(0), ffn, out(y));
  return y;
}

struct SwiGlu : Function<SwiGlu> {
  static Variable forward(AutogradContext* ctx, const Variable& gate_up) {
    ctx->save_for_backward({gate_up});
    return swiglu_forward(gate_up);
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const at::Tensor gate_up = ctx->get_saved_variables()[0], grad = grads[0].contiguous();
    at::Tensor grad_gate_up = at::empty_like(gate_up);
    swiglu_rows_backward(in(grad), in(gate_up), gate_up.size(0), gate_up.size(1) / 2, out(grad_gate_up));
    return {grad_gate_up};
  }
};

// ---- rotary positions ----
at::Tensor rotate(const at::Tensor& qkv, const at::Tensor& positions, const HeadShape& shape, const RotaryTable& table,
                  float direction) {
  at::Tensor rotated = at::empty_like(qkv);
  rope_rows(in(qkv), positions.const_data_ptr<int64_t>(), table.cosines.data(), table.sines.data(), qkv.size(0),
            qkv.size(1), shape.rotated(), shape.head_dim, direction, out(rotated));
  return rotated;
}

struct Rope : Function<Rope> {
  static Variable forward(AutogradContext* ctx, const Variable& qkv, const at::Tensor& positions,
                          const HeadShape& shape, std::shared_ptr<const RotaryTable> table) {
    ctx->save_for_backward({positions});
    ctx->saved_data["shape"] = std::vector<int64_t>{shape.heads, shape.kv_heads, shape.head_dim};
    ctx->saved_data["theta"] = table->theta;
    return rotate(qkv, positions, shape, *table, 1.0f);
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const at::Tensor positions = ctx->get_saved_variables()[0];
    const auto heads = ctx->saved_data["shape"].toIntVector();
    const HeadShape shape{heads[0], heads[1], heads[2]};
    const auto table = rotary_table(shape.head_dim, ctx->saved_data["theta"].toDouble(), highest_position(positions));
    // A rotation's transpose is the rotation back.
    return {rotate(grads[0].contiguous(), positions, shape, *table, -1.0f), Variable(), Variable(), Variable()};
  }
};

at::Tensor rope_generic(const at::Tensor& qkv, const at::Tensor& positions, const HeadShape& shape, double theta) {
  const int64_t half = shape.head_dim / 2, rows = qkv.size(0);
  const auto table = rotary_table(shape.head_dim, theta, highest_position(positions));
  const auto lookup = [&](const std::vector<float>& values) {
    const at::Tensor all = at::empty({static_cast<int64_t>(values.size())}, at::kFloat);
    std::copy(values.begin(), values.end(), all.mutable_data_ptr<float>());
    return all.view({-1, half}).to(qkv.device()).index_select(0, positions).to(qkv.scalar_type()).unsqueeze(1);
  };
  const at::Tensor c = lookup(table->cosines), s = lookup(table->sines);
  const at::Tensor heads = qkv.view({rows, -1, shape.head_dim});
  const at::Tensor turned = heads.narrow(1, 0, shape.rotated());
  const at::Tensor a = turned.narrow(2, 0, half), b = turned.narrow(2, half, half);
  return at::cat({at::cat({a.mul(c).sub(b.mul(s)), b.mul(c).add(a.mul(s))}, 2),
                  heads.narrow(1, shape.rotated(), shape.kv_heads)},
                 1)
      .view({rows, -1});
}

// ---- packed causal attention ----
at::Tensor attention_forward(const at::Tensor& qkv, const std::vector<int64_t>& starts, const HeadShape& shape,
                             at::Tensor* lse) {
  at::Tensor result = at::empty({qkv.size(0), shape.heads * shape.head_dim}, qkv.options());
  if (lse) *lse = at::empty({qkv.size(0), shape.heads}, qkv.options());
  for (size_t s = 0; s + 1 < starts.size(); ++s) {
    const int64_t t = starts[s];
    attend_sequence(in(qkv) + t * shape.columns(), starts[s + 1] - t, shape, out(result) + t * result.size(1),
                    lse ? out(*lse) + t * shape.heads : nullptr);
  }
  return result;
}

struct CausalAttention : Function<CausalAttention> {
  static Variable forward(AutogradContext* ctx, const Variable& qkv, const std::vector<int64_t>& starts,
                          const HeadShape& shape) {
    at::Tensor lse;
    at::Tensor result = attention_forward(qkv, starts, shape, &lse);
    ctx->save_for_backward({qkv, result, lse});
    ctx->saved_data["starts"] = starts;
    ctx->saved_data["shape"] =
        std::vector<int64_t>{shape.heads, shape.kv_heads, shape.head_dim, static_cast<int64_t>(shape.kv)};
    return result;
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const at::Tensor grad = grads[0].contiguous(), &qkv = saved[0], &result = saved[1], &lse = saved[2];
    const auto starts = ctx->saved_data["starts"].toIntVector();
    const auto heads = ctx->saved_data["shape"].toIntVector();
    const HeadShape shape{heads[0], heads[1], heads[2], static_cast<KvType>(heads[3])};
    at::Tensor grad_qkv = at::empty_like(qkv);
    const int64_t width = shape.heads * shape.head_dim;
    for (size_t s = 0; s + 1 < starts.size(); ++s) {
      const int64_t t = starts[s];
      attend_sequence_backward(in(grad) + t * width, in(result) + t * width, in(lse) + t * shape.heads,
                               in(qkv) + t * shape.columns(), starts[s + 1] - t, shape,
                               out(grad_qkv) + t * shape.columns());
    }
    return {grad_qkv, Variable(), Variable()};
  }
};

at::Tensor attention_generic(const at::Tensor& qkv, const std::vector<int64_t>& starts, const HeadShape& shape) {
  std::vector<at::Tensor> results;
  for (size_t s = 0; s + 1 < starts.size(); ++s) {
    const int64_t n = starts[s + 1] - starts[s];
    if (n == 0) continue;
    const at::Tensor heads =
        qkv.narrow(0, starts[s], n).view({n, -1, shape.head_dim}).transpose(0, 1).unsqueeze(0);  // [1,H+2KV,n,hd]
    const at::Tensor q = heads.narrow(1, 0, shape.heads);
    const at::Tensor k = heads.narrow(1, shape.heads, shape.kv_heads);
    const at::Tensor v = heads.narrow(1, shape.heads + shape.kv_heads, shape.kv_heads);
    results.push_back(at::scaled_dot_product_attention(q, k, v, {}, 0.0, /*is_causal=*/true, std::nullopt,
                                                       /*enable_gqa=*/shape.heads != shape.kv_heads)
                          .squeeze(0)
                          .transpose(0, 1)
                          .reshape({n, -1}));
  }
  return at::cat(results, 0);
}

}  // namespace

at::Tensor embed(const at::Tensor& table, const at::Tensor& ids) { return at::embedding(table, ids); }

at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& w, double eps) {
  if (!on_cpu_f32(x)) return at::rms_norm(x, {x.size(-1)}, w, eps);
  PONDER_CHECK(x.dim() == 2 && x.size(1) % 16 == 0, "rms_norm wants [T,D] with D a multiple of 16");
  const at::Tensor rows = x.contiguous();
  return wants_grad(x, w) ? RmsNorm::apply(rows, w, eps) : rms_norm_forward(rows, w, eps, nullptr);
}

at::Tensor swiglu(const at::Tensor& gate_up) {
  const int64_t ffn = gate_up.size(1) / 2;
  if (!on_cpu_f32(gate_up)) return at::silu(gate_up.narrow(1, 0, ffn)).mul(gate_up.narrow(1, ffn, ffn));
  PONDER_CHECK(gate_up.dim() == 2 && ffn % 16 == 0, "swiglu wants [T,2F] with F a multiple of 16");
  const at::Tensor rows = gate_up.contiguous();
  return wants_grad(gate_up) ? SwiGlu::apply(rows) : swiglu_forward(rows);
}

at::Tensor rope(const at::Tensor& qkv, const at::Tensor& positions, const HeadShape& shape, double theta) {
  PONDER_CHECK(qkv.dim() == 2 && qkv.size(1) == shape.columns(), "rope wants qkv [T,(H+2·KV)·hd]");
  if (!on_cpu_f32(qkv)) return rope_generic(qkv, positions, shape, theta);
  const auto table = rotary_table(shape.head_dim, theta, highest_position(positions));
  const at::Tensor rows = qkv.contiguous();
  return wants_grad(qkv) ? Rope::apply(rows, positions, shape, table) : rotate(rows, positions, shape, *table, 1.0f);
}

at::Tensor causal_attention(const at::Tensor& qkv, const std::vector<int64_t>& starts, const HeadShape& shape) {
  PONDER_CHECK(qkv.dim() == 2 && qkv.size(1) == shape.columns(), "causal_attention wants qkv [T,(H+2·KV)·hd]");
  PONDER_CHECK(starts.size() >= 2 && starts.front() == 0 && starts.back() == qkv.size(0),
               "starts must run from 0 to the number of rows");
  if (!on_cpu_f32(qkv)) return attention_generic(qkv, starts, shape);
  const at::Tensor rows = qkv.contiguous();
  return wants_grad(qkv) ? CausalAttention::apply(rows, starts, shape)
                         : attention_forward(rows, starts, shape, nullptr);
}

}  // namespace ponder::tensor
