#include "ponder/tensor/ops.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/ones.h>
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
// work(first row, the group's rows from there) for each sequence that continues none, with those that continue it.
template <class Work>
void for_each_group(const Packing& packing, Work work) {
  std::vector<int64_t> ends;
  for (size_t s = 0; s < packing.count();) {
    const int64_t first = packing.starts[s];
    const int64_t prompt = packing.rows(s);
    ends.clear();
    for (++s; s < packing.count() && packing.goes_on(s); ++s) ends.push_back(packing.starts[s + 1] - first);
    work(first, GroupRows{prompt, ends});
  }
}

at::Tensor attention_forward(const at::Tensor& qkv, const Packing& packing, const HeadShape& shape, at::Tensor* lse) {
  at::Tensor result = at::empty({qkv.size(0), shape.heads * shape.head_dim}, qkv.options());
  if (lse) *lse = at::empty({qkv.size(0), shape.heads}, qkv.options());
  for_each_group(packing, [&](int64_t t, const GroupRows& rows) {
    attend_group(in(qkv) + t * shape.columns(), rows, shape, out(result) + t * result.size(1),
                 lse ? out(*lse) + t * shape.heads : nullptr);
  });
  return result;
}

struct CausalAttention : Function<CausalAttention> {
  static Variable forward(AutogradContext* ctx, const Variable& qkv, const Packing& packing, const HeadShape& shape) {
    at::Tensor lse;
    at::Tensor result = attention_forward(qkv, packing, shape, &lse);
    ctx->save_for_backward({qkv, result, lse});
    ctx->saved_data["starts"] = packing.starts;
    ctx->saved_data["continues"] = packing.continues;
    ctx->saved_data["shape"] =
        std::vector<int64_t>{shape.heads, shape.kv_heads, shape.head_dim, static_cast<int64_t>(shape.kv)};
    return result;
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const at::Tensor grad = grads[0].contiguous(), &qkv = saved[0], &result = saved[1], &lse = saved[2];
    const Packing packing{ctx->saved_data["starts"].toIntVector(), ctx->saved_data["continues"].toIntVector()};
    const auto heads = ctx->saved_data["shape"].toIntVector();
    const HeadShape shape{heads[0], heads[1], heads[2], static_cast<KvType>(heads[3])};
    at::Tensor grad_qkv = at::empty_like(qkv);
    const int64_t width = shape.heads * shape.head_dim;
    for_each_group(packing, [&](int64_t t, const GroupRows& rows) {
      attend_group_backward(in(grad) + t * width, in(result) + t * width, in(lse) + t * shape.heads,
                            in(qkv) + t * shape.columns(), rows, shape, out(grad_qkv) + t * shape.columns());
    });
    return {grad_qkv, Variable(), Variable()};
  }
};

// Rows of queries over rows of keys and values, both of rotated qkv, the last of which are the queries' own.
at::Tensor attention_generic_rows(const at::Tensor& queries, const at::Tensor& keys, const HeadShape& shape) {
  const int64_t n = queries.size(0), visible = keys.size(0);
  const auto heads = [&](const at::Tensor& rows, int64_t first, int64_t count) {  // [1,count,rows,hd]
    return rows.view({rows.size(0), -1, shape.head_dim}).transpose(0, 1).unsqueeze(0).narrow(1, first, count);
  };
  const at::Tensor k = heads(keys, shape.heads, shape.kv_heads);
  const at::Tensor v = heads(keys, shape.heads + shape.kv_heads, shape.kv_heads);
  std::optional<at::Tensor> mask;
  if (visible > n) {
    mask = at::ones({n, visible}, at::TensorOptions(at::kBool).device(queries.device())).tril(visible - n);
  }
  return at::scaled_dot_product_attention(heads(queries, 0, shape.heads), k, v, mask, 0.0,
                                          /*is_causal=*/visible == n, std::nullopt,
                                          /*enable_gqa=*/shape.heads != shape.kv_heads)
      .squeeze(0)
      .transpose(0, 1)
      .reshape({n, -1});
}

at::Tensor attention_generic(const at::Tensor& qkv, const Packing& packing, const HeadShape& shape) {
  std::vector<at::Tensor> results;
  for_each_group(packing, [&](int64_t first, const GroupRows& rows) {
    const at::Tensor prompt = qkv.narrow(0, first, rows.prompt);
    if (rows.prompt > 0) results.push_back(attention_generic_rows(prompt, prompt, shape));
    int64_t begin = rows.prompt;
    for (const int64_t end : rows.ends) {
      const at::Tensor own = qkv.narrow(0, first + begin, end - begin);
      if (end > begin) results.push_back(attention_generic_rows(own, at::cat({prompt, own}, 0), shape));
      begin = end;
    }
  });
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

at::Tensor causal_attention(const at::Tensor& qkv, const Packing& packing, const HeadShape& shape) {
  PONDER_CHECK(qkv.dim() == 2 && qkv.size(1) == shape.columns(), "causal_attention wants qkv [T,(H+2·KV)·hd]");
  PONDER_CHECK(packing.count() >= 1 && packing.starts.front() == 0 && packing.starts.back() == qkv.size(0),
               "starts must run from 0 to the number of rows");
  PONDER_CHECK(packing.continues.empty() || (packing.continues.size() == packing.count() && !packing.goes_on(0)),
               "every sequence but the first may continue one before it");
  if (!on_cpu_f32(qkv)) return attention_generic(qkv, packing, shape);
  const at::Tensor rows = qkv.contiguous();
  return wants_grad(qkv) ? CausalAttention::apply(rows, packing, shape)
                         : attention_forward(rows, packing, shape, nullptr);
}

}  // namespace ponder::tensor
