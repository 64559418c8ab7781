#include "ponder/tensor/matrix.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros_like.h>

#include "ponder/base/error.h"

namespace ponder::tensor {
namespace {

uint32_t* words_of(at::Tensor& packed) { return reinterpret_cast<uint32_t*>(packed.mutable_data_ptr<int32_t>()); }

using Pack = void (*)(const float* w, int64_t n, int64_t k, Compute compute, uint32_t* words);

// Words for a product with `depth` of the weight's sides; into `packed` when it is there already.
void pack_into(at::Tensor& packed, const Matrix& matrix, Pack pack, int64_t depth, int64_t columns) {
  PONDER_CHECK(matrix.weight.dim() == 2 && matrix.weight.is_contiguous(), "a weight must be contiguous [N,K]");
  if (!packed.defined()) packed = at::empty({packed_words(depth, columns, matrix.compute)}, at::kInt);
  pack(matrix.weight.const_data_ptr<float>(), matrix.size(0), matrix.size(1), matrix.compute, words_of(packed));
}

void pack_for_product(at::Tensor& packed, const Matrix& matrix) {
  pack_into(packed, matrix, pack_transposed, matrix.size(1), matrix.size(0));
}
void pack_for_gradient(at::Tensor& packed, const Matrix& matrix) {
  pack_into(packed, matrix, pack_straight, matrix.size(0), matrix.size(1));
}

}  // namespace

Matrix read_only_matrix(int64_t rows, int64_t columns, Compute compute, RowType type, const ReadRow& read) {
  Matrix matrix;
  matrix.rows = rows, matrix.columns = columns;
  const bool halves = compute == Compute::kF32 && type == RowType::kBf16 && columns % 2 == 0;
  matrix.compute = halves ? Compute::kF32ByBf16 : compute;
  matrix.transposed = at::empty({packed_words(columns, rows, matrix.compute)}, at::kInt);
  pack_rows(read, type, rows, columns, matrix.compute, words_of(matrix.transposed));
  return matrix;
}

Matrix block_matrix(int64_t rows, int64_t columns, Compute compute, const ReadBlocks& read) {
  Matrix matrix;
  matrix.rows = rows, matrix.columns = columns, matrix.compute = compute;
  matrix.transposed = at::empty({packed_words(columns, rows, compute)}, at::kInt);
  pack_blocks(read, rows, columns, compute, words_of(matrix.transposed));
  return matrix;
}

void pack(Matrix& matrix, Uses uses) {
  if (!matrix.weight.defined() || !matrix.weight.is_cpu()) return;
  pack_for_product(matrix.transposed, matrix);
  if (uses == Uses::kForwardAndBackward) pack_for_gradient(matrix.straight, matrix);
}

WeightGradient::WeightGradient(const at::Tensor& weight) {
  const bool in_place = weight.is_leaf() && weight.grad().defined() && weight.grad().is_contiguous();
  sum = in_place ? weight.grad() : at::zeros_like(weight);
  if (!in_place) hand_on = sum;
}

at::Tensor transposed_words(const Matrix& matrix) {
  at::Tensor packed = matrix.transposed;
  if (!packed.defined()) pack_for_product(packed, matrix);
  return packed;
}

at::Tensor straight_words(const Matrix& matrix) {
  at::Tensor packed = matrix.straight;
  if (packed.defined()) return packed;
  if (matrix.weight.defined()) {
    pack_for_gradient(packed, matrix);
    return packed;
  }
  const int64_t n = matrix.rows, k = matrix.columns;
  at::Tensor rows = at::empty({n, k}, at::kFloat);
  const PackedView words = packed_view(matrix.transposed, k, n, matrix.compute);
  unpack_transposed(words.words, n, k, matrix.compute, 0, n, rows.mutable_data_ptr<float>());
  packed = at::empty({packed_words(n, k, straight_compute(matrix))}, at::kInt);
  pack_straight(rows.const_data_ptr<float>(), n, k, straight_compute(matrix), words_of(packed));
  return packed;
}

// The transposed words are of use to a backward pass only where there is nothing else to make the straight ones of.
std::vector<at::Tensor> saved_words(const Matrix& matrix) {
  return {matrix.straight, matrix.weight.defined() ? at::Tensor() : matrix.transposed};
}

std::vector<int64_t> saved_shape(const Matrix& matrix) {
  return {static_cast<int64_t>(matrix.compute), matrix.rows, matrix.columns};
}

Matrix restored(const at::Tensor& weight, const at::Tensor& straight, const at::Tensor& transposed,
                const std::vector<int64_t>& shape) {
  Matrix matrix(weight, static_cast<Compute>(shape[0]));
  matrix.straight = straight, matrix.transposed = transposed;
  matrix.rows = shape[1], matrix.columns = shape[2];
  return matrix;
}

PackedView packed_view(const at::Tensor& words, int64_t depth, int64_t columns, Compute compute) {
  return {reinterpret_cast<const uint32_t*>(words.const_data_ptr<int32_t>()), depth, columns, compute};
}

}  // namespace ponder::tensor
