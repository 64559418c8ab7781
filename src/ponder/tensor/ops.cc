#include "ponder/tensor/ops.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/rms_norm.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <optional>
#include <utility>
#include <vector>

#include "ponder/base/error.h"
#include "ponder/tensor/kernels.h"
#include "ponder/tensor/matrix.h"
#include "ponder/tensor/rotary.h"
#include "ponder/tensor/team.h"

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

// ---- embedding ----
// Rows of the same id are summed in their order, and the sum is added to the table's gradient: a gradient of the whole
// table's size for the few rows that a batch reads would be most of the memory of a large vocabulary.
struct Embed : Function<Embed> {
  static Variable forward(AutogradContext* ctx, const Variable& table, const at::Tensor& ids) {
    ctx->save_for_backward({table, ids});
    return at::embedding(table, ids);
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const at::Tensor grad = grads[0].contiguous(), ids = saved[1].contiguous();
    WeightGradient gradient(saved[0]);
    const int64_t *id = ids.const_data_ptr<int64_t>(), width = grad.size(1);
    std::vector<int64_t> order(static_cast<size_t>(ids.numel()));
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [id](int64_t a, int64_t b) { return id[a] < id[b]; });
    std::vector<float> sum(static_cast<size_t>(width));
    float* to = out(gradient.sum);
    for (size_t i = 0; i < order.size();) {
      const int64_t row = id[order[i]];
      std::fill(sum.begin(), sum.end(), 0.0f);
      for (; i < order.size() && id[order[i]] == row; ++i)
        for (int64_t c = 0; c < width; ++c) sum[static_cast<size_t>(c)] += in(grad)[order[i] * width + c];
      for (int64_t c = 0; c < width; ++c) to[row * width + c] += sum[static_cast<size_t>(c)];
    }
    return {gradient.hand_on, Variable()};
  }
};

// ---- RMSNorm ----
at::Tensor rms_norm_forward(const at::Tensor& x, const at::Tensor& w, double eps, double offset, at::Tensor* rstd) {
  at::Tensor y = at::empty_like(x);
  if (rstd) *rstd = at::empty({x.size(0)}, x.options());
  const int64_t width = x.size(1);
  const float *from = in(x), *weight = in(w);
  float *to = out(y), *inverse = rstd ? out(*rstd) : nullptr;
  share_large(x.numel(), x.size(0), 16, [&](int64_t first, int64_t end) {
    rms_norm_rows(from + first * width, weight, end - first, width, static_cast<float>(eps), static_cast<float>(offset),
                  to + first * width, inverse ? inverse + first : nullptr);
  });
  return y;
}

struct RmsNorm : Function<RmsNorm> {
  static Variable forward(AutogradContext* ctx, const Variable& x, const Variable& w, double eps, double offset) {
    at::Tensor rstd;
    at::Tensor y = rms_norm_forward(x, w, eps, offset, &rstd);
    ctx->save_for_backward({x, w, rstd});
    ctx->saved_data["offset"] = offset;
    return y;
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const at::Tensor grad = grads[0].contiguous(), &x = saved[0], &w = saved[1], &rstd = saved[2];
    at::Tensor grad_x = at::empty_like(x), grad_w = at::zeros(w.sizes(), w.options());
    rms_norm_rows_backward(in(grad), in(x), in(w), in(rstd), x.size(0), x.size(1),
                           static_cast<float>(ctx->saved_data["offset"].toDouble()), out(grad_x), out(grad_w));
    return {grad_x, grad_w, Variable(), Variable()};
  }
};

// ---- RMSNorm of query and key heads ----
at::Tensor head_norm_forward(const at::Tensor& qkv, const at::Tensor& q, const at::Tensor& k, const HeadShape& shape,
                             const HeadNorm& norm, at::Tensor* rstd) {
  at::Tensor y = at::empty_like(qkv);
  if (rstd) *rstd = at::empty({qkv.size(0), shape.rotated()}, qkv.options());
  const int64_t columns = shape.columns();
  const float *from = in(qkv), *q_weight = in(q), *k_weight = in(k);
  float *to = out(y), *inverse = rstd ? out(*rstd) : nullptr;
  share_large(qkv.numel(), qkv.size(0), 16, [&](int64_t first, int64_t end) {
    head_norm_rows(from + first * columns, q_weight, k_weight, end - first, shape, norm, to + first * columns,
                   inverse ? inverse + first * shape.rotated() : nullptr);
  });
  return y;
}

struct HeadNormed : Function<HeadNormed> {
  static Variable forward(AutogradContext* ctx, const Variable& qkv, const Variable& q, const Variable& k,
                          const HeadShape& shape, const HeadNorm& norm) {
    at::Tensor rstd;
    at::Tensor y = head_norm_forward(qkv, q, k, shape, norm, &rstd);
    ctx->save_for_backward({qkv, q, k, rstd});
    ctx->saved_data["shape"] = std::vector<int64_t>{shape.heads, shape.kv_heads, shape.head_dim};
    ctx->saved_data["offset"] = static_cast<double>(norm.offset);
    return y;
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const at::Tensor grad = grads[0].contiguous(), &qkv = saved[0], &q = saved[1], &k = saved[2], &rstd = saved[3];
    const auto heads = ctx->saved_data["shape"].toIntVector();
    const HeadNorm norm{0, static_cast<float>(ctx->saved_data["offset"].toDouble())};
    at::Tensor grad_qkv = at::empty_like(qkv), grad_q = at::zeros(q.sizes(), q.options()), grad_k = grad_q.clone();
    head_norm_rows_backward(in(grad), in(qkv), in(q), in(k), in(rstd), qkv.size(0), {heads[0], heads[1], heads[2]},
                            norm, out(grad_qkv), out(grad_q), out(grad_k));
    return {grad_qkv, grad_q, grad_k, Variable(), Variable()};
  }
};

at::Tensor head_norm_generic(const at::Tensor& qkv, const at::Tensor& q, const at::Tensor& k, const HeadShape& shape,
                             double eps, double offset) {
  const int64_t hd = shape.head_dim, rows = qkv.size(0);
  const at::Tensor heads = qkv.view({rows, -1, hd});
  const auto normed = [&](int64_t first, int64_t count, const at::Tensor& w) {
    return at::rms_norm(heads.narrow(1, first, count), {hd}, w.add(offset), eps);
  };
  return at::cat({normed(0, shape.heads, q), normed(shape.heads, shape.kv_heads, k),
                  heads.narrow(1, shape.rotated(), shape.kv_heads)},
                 1)
      .view({rows, -1});
}

// ---- rotary positions ----
at::Tensor rotate(const at::Tensor& qkv, const at::Tensor& positions, const HeadShape& shape, const at::Tensor& cosines,
                  const at::Tensor& sines, float direction) {
  at::Tensor rotated = at::empty_like(qkv);
  const int64_t columns = qkv.size(1), *position = positions.const_data_ptr<int64_t>();
  const float *from = in(qkv), *cosine = in(cosines), *sine = in(sines);
  float* to = out(rotated);
  share_large(qkv.numel(), qkv.size(0), 16, [&](int64_t first, int64_t end) {
    rope_rows(from + first * columns, position + first, cosine, sine, end - first, columns, shape.rotated(),
              shape.head_dim, direction, to + first * columns);
  });
  return rotated;
}

struct Rope : Function<Rope> {
  static Variable forward(AutogradContext* ctx, const Variable& qkv, const at::Tensor& positions,
                          const HeadShape& shape, std::shared_ptr<const RotaryTable> table) {
    ctx->save_for_backward({positions, table->cosines, table->sines});
    ctx->saved_data["shape"] = std::vector<int64_t>{shape.heads, shape.kv_heads, shape.head_dim};
    return rotate(qkv, positions, shape, table->cosines, table->sines, 1.0f);
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const auto heads = ctx->saved_data["shape"].toIntVector();
    // A rotation's transpose is the rotation back.
    return {rotate(grads[0].contiguous(), saved[0], {heads[0], heads[1], heads[2]}, saved[1], saved[2], -1.0f),
            Variable(), Variable(), Variable()};
  }
};

at::Tensor rope_generic(const at::Tensor& qkv, const at::Tensor& positions, const HeadShape& shape,
                        const Rotary& rotary) {
  const int64_t half = shape.head_dim / 2, rows = qkv.size(0);
  const auto table = rotary_table(shape.head_dim, rotary, highest_position(positions));
  const auto lookup = [&](const at::Tensor& values) {
    return values.to(qkv.device()).index_select(0, positions).to(qkv.scalar_type()).unsqueeze(1);
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
// work(first row, the group's rows from there) for each sequence that continues none, with those that continue it; in
// any order.
void for_each_group(const Packing& packing, const std::function<void(int64_t first, const GroupRows& rows)>& work) {
  std::vector<size_t> groups;
  for (size_t s = 0; s < packing.count(); ++s)
    if (!packing.goes_on(s)) groups.push_back(s);
  share_work(static_cast<int64_t>(groups.size()), [&](int64_t g) {
    size_t s = groups[static_cast<size_t>(g)];
    const int64_t first = packing.starts[s], prompt = packing.rows(s);
    std::vector<int64_t> ends;
    for (++s; s < packing.count() && packing.goes_on(s); ++s) ends.push_back(packing.starts[s + 1] - first);
    work(first, GroupRows{prompt, ends});
  });
}

at::Tensor attention_forward(const at::Tensor& qkv, const Packing& packing, const HeadShape& shape, at::Tensor* lse) {
  at::Tensor result = at::empty({qkv.size(0), shape.heads * shape.head_dim}, qkv.options());
  if (lse) *lse = at::empty({qkv.size(0), shape.heads}, qkv.options());
  float *to = out(result), *sums = lse ? out(*lse) : nullptr;
  const int64_t width = result.size(1);
  for_each_group(packing, [&](int64_t t, const GroupRows& rows) {
    attend_group(in(qkv) + t * shape.columns(), rows, shape, to + t * width, sums ? sums + t * shape.heads : nullptr);
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
        std::vector<int64_t>{shape.heads, shape.kv_heads, shape.head_dim, static_cast<int64_t>(shape.kv), shape.window};
    ctx->saved_data["scale"] = shape.scale;
    return result;
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const at::Tensor grad = grads[0].contiguous(), &qkv = saved[0], &result = saved[1], &lse = saved[2];
    const Packing packing{ctx->saved_data["starts"].toIntVector(), ctx->saved_data["continues"].toIntVector()};
    const auto heads = ctx->saved_data["shape"].toIntVector();
    const HeadShape shape{
        heads[0], heads[1], heads[2], static_cast<KvType>(heads[3]), heads[4], ctx->saved_data["scale"].toDouble()};
    at::Tensor grad_qkv = at::empty_like(qkv);
    const int64_t width = shape.heads * shape.head_dim;
    float* to = out(grad_qkv);
    for_each_group(packing, [&](int64_t t, const GroupRows& rows) {
      attend_group_backward(in(grad) + t * width, in(result) + t * width, in(lse) + t * shape.heads,
                            in(qkv) + t * shape.columns(), rows, shape, to + t * shape.columns());
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
  if (visible > n || (shape.window > 0 && visible > shape.window)) {
    mask = at::ones({n, visible}, at::TensorOptions(at::kBool).device(queries.device())).tril(visible - n);
    if (shape.window > 0) mask = mask->triu(visible - n + 1 - shape.window);
  }
  return at::scaled_dot_product_attention(heads(queries, 0, shape.heads), k, v, mask, 0.0,
                                          /*is_causal=*/!mask, shape.score_scale(),
                                          /*enable_gqa=*/shape.heads != shape.kv_heads)
      .squeeze(0)
      .transpose(0, 1)
      .reshape({n, -1});
}

at::Tensor attention_generic(const at::Tensor& qkv, const Packing& packing, const HeadShape& shape) {
  std::vector<at::Tensor> results;
  const TeamScope alone(nullptr);  // in their order
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

at::Tensor embed(const at::Tensor& table, const at::Tensor& ids) {
  return on_cpu_f32(table) && wants_grad(table) ? Embed::apply(table, ids) : at::embedding(table, ids);
}

float HeadShape::score_scale() const {
  return scale > 0 ? static_cast<float>(scale) : 1.0f / std::sqrt(static_cast<float>(head_dim));
}

at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& w, double eps, double offset) {
  if (!on_cpu_f32(x)) return at::rms_norm(x, {x.size(-1)}, offset == 0 ? w : w.add(offset), eps);
  PONDER_CHECK(x.dim() == 2 && x.size(1) % 16 == 0, "rms_norm wants [T,D] with D a multiple of 16");
  const at::Tensor rows = x.contiguous();
  return wants_grad(x, w) ? RmsNorm::apply(rows, w, eps, offset) : rms_norm_forward(rows, w, eps, offset, nullptr);
}

at::Tensor head_norm(const at::Tensor& qkv, const at::Tensor& q_weight, const at::Tensor& k_weight,
                     const HeadShape& shape, double eps, double offset) {
  PONDER_CHECK(qkv.dim() == 2 && qkv.size(1) == shape.columns() && q_weight.size(0) == shape.head_dim &&
                   k_weight.size(0) == shape.head_dim,
               "head_norm wants qkv [T,(H+2·KV)·hd] and weights [hd]");
  if (!on_cpu_f32(qkv)) return head_norm_generic(qkv, q_weight, k_weight, shape, eps, offset);
  const HeadNorm norm{static_cast<float>(eps), static_cast<float>(offset)};
  const at::Tensor rows = qkv.contiguous();
  return wants_grad(qkv, q_weight) || wants_grad(k_weight)
             ? HeadNormed::apply(rows, q_weight, k_weight, shape, norm)
             : head_norm_forward(rows, q_weight, k_weight, shape, norm, nullptr);
}

at::Tensor rope(const at::Tensor& qkv, const at::Tensor& positions, const HeadShape& shape, const Rotary& rotary) {
  PONDER_CHECK(qkv.dim() == 2 && qkv.size(1) == shape.columns(), "rope wants qkv [T,(H+2·KV)·hd]");
  if (!on_cpu_f32(qkv)) return rope_generic(qkv, positions, shape, rotary);
  const auto table = rotary_table(shape.head_dim, rotary, highest_position(positions));
  const at::Tensor rows = qkv.contiguous();
  return wants_grad(qkv) ? Rope::apply(rows, positions, shape, table)
                         : rotate(rows, positions, shape, table->cosines, table->sines, 1.0f);
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
