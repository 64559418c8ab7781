#include <cmath>

#include "ponder/tensor/kernels.h"
#include "ponder/tensor/simd.h"

namespace ponder::tensor {

using simd::load;
using simd::store;

namespace {

// Gives the inverse root mean square.
template <class S>
PONDER_INLINE float norm_row(const float* x, const float* w, int64_t width, float eps, float offset, float* y) {
  using F = typename S::F;
  constexpr int64_t L = S::kLanes;
  F squares{};
  for (int64_t i = 0; i < width; i += L) squares += load<S>(x + i) * load<S>(x + i);
  const float r = 1.0f / std::sqrt(simd::sum<S>(squares) / static_cast<float>(width) + eps);
  for (int64_t i = 0; i < width; i += L) store<S>(y + i, load<S>(x + i) * r * (load<S>(w + i) + offset));
  return r;
}

// With x̂ = x·r and w the whole factor: ∂x = r · (g·w − x̂ · mean(g·w·x̂)), ∂w += g·x̂.
template <class S>
PONDER_INLINE void norm_row_backward(const float* grad_y, const float* x, const float* w, float r, int64_t width,
                                     float offset, float* grad_x, float* grad_w) {
  using F = typename S::F;
  constexpr int64_t L = S::kLanes;
  F products{};
  for (int64_t i = 0; i < width; i += L) products += load<S>(grad_y + i) * (load<S>(w + i) + offset) * load<S>(x + i);
  const float mean = simd::sum<S>(products) * r / static_cast<float>(width);
  for (int64_t i = 0; i < width; i += L) {
    const F normed = load<S>(x + i) * r;
    const F g = load<S>(grad_y + i);
    store<S>(grad_x + i, (g * (load<S>(w + i) + offset) - normed * mean) * r);
    store<S>(grad_w + i, load<S>(grad_w + i) + g * normed);
  }
}

template <class S>
PONDER_INLINE void rms_norm_rows_body(const float* x, const float* w, int64_t rows, int64_t width, float eps,
                                      float offset, float* y, float* rstd) {
  for (int64_t t = 0; t < rows; ++t, x += width, y += width) {
    const float r = norm_row<S>(x, w, width, eps, offset, y);
    if (rstd) rstd[t] = r;
  }
}

template <class S>
PONDER_INLINE void rms_norm_rows_backward_body(const float* grad_y, const float* x, const float* w, const float* rstd,
                                               int64_t rows, int64_t width, float offset, float* grad_x,
                                               float* grad_w) {
  for (int64_t t = 0; t < rows; ++t, x += width, grad_y += width, grad_x += width)
    norm_row_backward<S>(grad_y, x, w, rstd[t], width, offset, grad_x, grad_w);
}

template <class S>
PONDER_INLINE void head_norm_rows_body(const float* qkv, const float* q, const float* k, int64_t rows,
                                       const HeadShape& shape, const HeadNorm& norm, float* out, float* rstd) {
  const int64_t hd = shape.head_dim, normed = shape.rotated() * hd, columns = shape.columns();
  for (int64_t t = 0; t < rows; ++t, qkv += columns, out += columns) {
    for (int64_t h = 0; h < shape.rotated(); ++h) {
      const float r = norm_row<S>(qkv + h * hd, h < shape.heads ? q : k, hd, norm.eps, norm.offset, out + h * hd);
      if (rstd) *rstd++ = r;
    }
    std::memcpy(out + normed, qkv + normed, static_cast<size_t>(columns - normed) * sizeof(float));
  }
}

template <class S>
PONDER_INLINE void head_norm_rows_backward_body(const float* grad_out, const float* qkv, const float* q, const float* k,
                                                const float* rstd, int64_t rows, const HeadShape& shape,
                                                const HeadNorm& norm, float* grad_qkv, float* grad_q, float* grad_k) {
  const int64_t hd = shape.head_dim, normed = shape.rotated() * hd, columns = shape.columns();
  for (int64_t t = 0; t < rows; ++t, qkv += columns, grad_out += columns, grad_qkv += columns) {
    for (int64_t h = 0; h < shape.rotated(); ++h) {
      const bool query = h < shape.heads;
      norm_row_backward<S>(grad_out + h * hd, qkv + h * hd, query ? q : k, *rstd++, hd, norm.offset, grad_qkv + h * hd,
                           query ? grad_q : grad_k);
    }
    std::memcpy(grad_qkv + normed, grad_out + normed, static_cast<size_t>(columns - normed) * sizeof(float));
  }
}

template <class S>
PONDER_INLINE void swiglu_rows_body(const float* gate_up, int64_t rows, int64_t ffn, float* y) {
  using F = typename S::F;
  for (int64_t t = 0; t < rows; ++t, gate_up += 2 * ffn, y += ffn)
    for (int64_t i = 0; i < ffn; i += S::kLanes) {
      const F gate = load<S>(gate_up + i);
      store<S>(y + i, gate / (1.0f + simd::exp<S>(-gate)) * load<S>(gate_up + ffn + i));
    }
}

// With s = sigmoid(gate): ∂up = g · gate·s, ∂gate = g · up · s·(1 + gate·(1 − s)).
template <class S>
PONDER_INLINE void swiglu_rows_backward_body(const float* grad_y, const float* gate_up, int64_t rows, int64_t ffn,
                                             float* grad_gate_up, float* y) {
  using F = typename S::F;
  for (int64_t t = 0; t < rows; ++t, gate_up += 2 * ffn, grad_gate_up += 2 * ffn, grad_y += ffn, y += ffn)
    for (int64_t i = 0; i < ffn; i += S::kLanes) {
      const F gate = load<S>(gate_up + i), up = load<S>(gate_up + ffn + i), g = load<S>(grad_y + i);
      const F s = 1.0f / (1.0f + simd::exp<S>(-gate)), active = gate * s;
      store<S>(y + i, active * up);
      store<S>(grad_gate_up + ffn + i, g * active);
      store<S>(grad_gate_up + i, g * up * s * (1.0f + gate * (1.0f - s)));
    }
}

// gelu(x) = x · sigmoid(2·√(2/π)·(x + 0.044715·x³)), which is the tanh form.
constexpr float kGeluSlope = 1.5957691216f, kGeluCube = 0.044715f;

template <class S>
PONDER_INLINE void geglu_rows_body(const float* gate_up, int64_t rows, int64_t ffn, float* y) {
  using F = typename S::F;
  for (int64_t t = 0; t < rows; ++t, gate_up += 2 * ffn, y += ffn)
    for (int64_t i = 0; i < ffn; i += S::kLanes) {
      const F gate = load<S>(gate_up + i);
      const F u = kGeluSlope * (gate + kGeluCube * gate * gate * gate);
      store<S>(y + i, gate / (1.0f + simd::exp<S>(-u)) * load<S>(gate_up + ffn + i));
    }
}

// With s = sigmoid(u): ∂up = g · gate·s, ∂gate = g · up · s·(1 + gate·(1 − s)·u′).
template <class S>
PONDER_INLINE void geglu_rows_backward_body(const float* grad_y, const float* gate_up, int64_t rows, int64_t ffn,
                                            float* grad_gate_up, float* y) {
  using F = typename S::F;
  for (int64_t t = 0; t < rows; ++t, gate_up += 2 * ffn, grad_gate_up += 2 * ffn, grad_y += ffn, y += ffn)
    for (int64_t i = 0; i < ffn; i += S::kLanes) {
      const F gate = load<S>(gate_up + i), up = load<S>(gate_up + ffn + i), g = load<S>(grad_y + i);
      const F u = kGeluSlope * (gate + kGeluCube * gate * gate * gate);
      const F slope = kGeluSlope * (1.0f + 3.0f * kGeluCube * gate * gate);
      const F s = 1.0f / (1.0f + simd::exp<S>(-u)), active = gate * s;
      store<S>(y + i, active * up);
      store<S>(grad_gate_up + ffn + i, g * active);
      store<S>(grad_gate_up + i, g * up * s * (1.0f + gate * (1.0f - s) * slope));
    }
}

// Half a head is a multiple of 8, so the narrow vector serves every instruction set.
template <class>
PONDER_INLINE void rope_rows_body(const float* in, const int64_t* positions, const float* cosines, const float* sines,
                                  int64_t rows, int64_t columns, int64_t heads, int64_t head_dim, float direction,
                                  float* out) {
  using S = simd::Narrow;
  using F = S::F;
  const int64_t half = head_dim / 2, rotated = heads * head_dim;
  for (int64_t t = 0; t < rows; ++t, in += columns, out += columns) {
    const float* cosine = cosines + positions[t] * half;
    const float* sine = sines + positions[t] * half;
    for (int64_t i = 0; i < half; i += S::kLanes) {
      const F c = load<S>(cosine + i), s = load<S>(sine + i) * direction;
      for (int64_t h = i; h < rotated; h += head_dim) {
        const F a = load<S>(in + h), b = load<S>(in + h + half);
        store<S>(out + h, a * c - b * s);
        store<S>(out + h + half, b * c + a * s);
      }
    }
    std::memcpy(out + rotated, in + rotated, static_cast<size_t>(columns - rotated) * sizeof(float));
  }
}

}  // namespace

PONDER_DISPATCH(rms_norm_rows,
                (const float* x, const float* w, int64_t rows, int64_t width, float eps, float offset, float* y,
                 float* rstd),
                (x, w, rows, width, eps, offset, y, rstd))
PONDER_DISPATCH(rms_norm_rows_backward,
                (const float* grad_y, const float* x, const float* w, const float* rstd, int64_t rows, int64_t width,
                 float offset, float* grad_x, float* grad_w),
                (grad_y, x, w, rstd, rows, width, offset, grad_x, grad_w))
PONDER_DISPATCH(head_norm_rows,
                (const float* qkv, const float* q, const float* k, int64_t rows, const HeadShape& shape,
                 const HeadNorm& norm, float* out, float* rstd),
                (qkv, q, k, rows, shape, norm, out, rstd))
PONDER_DISPATCH(head_norm_rows_backward,
                (const float* grad_out, const float* qkv, const float* q, const float* k, const float* rstd,
                 int64_t rows, const HeadShape& shape, const HeadNorm& norm, float* grad_qkv, float* grad_q,
                 float* grad_k),
                (grad_out, qkv, q, k, rstd, rows, shape, norm, grad_qkv, grad_q, grad_k))
PONDER_DISPATCH(geglu_rows, (const float* gate_up, int64_t rows, int64_t ffn, float* y), (gate_up, rows, ffn, y))
PONDER_DISPATCH(geglu_rows_backward,
                (const float* grad_y, const float* gate_up, int64_t rows, int64_t ffn, float* grad_gate_up, float* y),
                (grad_y, gate_up, rows, ffn, grad_gate_up, y))
PONDER_DISPATCH(swiglu_rows, (const float* gate_up, int64_t rows, int64_t ffn, float* y), (gate_up, rows, ffn, y))
PONDER_DISPATCH(swiglu_rows_backward,
                (const float* grad_y, const float* gate_up, int64_t rows, int64_t ffn, float* grad_gate_up, float* y),
                (grad_y, gate_up, rows, ffn, grad_gate_up, y))
PONDER_DISPATCH(rope_rows,
                (const float* in, const int64_t* positions, const float* cosines, const float* sines, int64_t rows,
                 int64_t columns, int64_t heads, int64_t head_dim, float direction, float* out),
                (in, positions, cosines, sines, rows, columns, heads, head_dim, direction, out))

}  // namespace ponder::tensor
