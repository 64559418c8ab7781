// A weight as it is multiplied: the tensor, and the packed copies of it that the CPU's products read. Made by model
// when it takes views of a model's weights, read by linear() and its gradients.
#pragma once
#include <optional>
#include <utility>
#include <vector>

#include "ponder/tensor/gemm.h"
#include "ponder/tensor/gemm_int8.h"
#include "ponder/tensor/tensor.h"

namespace ponder::tensor {

struct Matrix {
  Matrix() = default;
  // A tensor alone is a matrix that every product packs anew.
  Matrix(at::Tensor weight, Compute compute = Compute::kF32)  // NOLINT(google-explicit-constructor)
      : weight(std::move(weight)), compute(compute) {}

  at::Tensor weight;                // f32 [N,K]; an autograd leaf where it is trained, undefined where it is only read
  Compute compute = Compute::kF32;  // of products on the CPU; other devices compute in f32
  at::Tensor transposed;            // words for x · wᵀ
  at::Tensor straight;              // words for g · w
  int64_t rows = 0, columns = 0;    // [N,K] where there is no weight
  int64_t size(int64_t dim) const { return weight.defined() ? weight.size(dim) : dim == 0 ? rows : columns; }
};

// A matrix that is only read and kept in the product's own layout alone; read() gives its rows, as for pack_rows.
// kF32 and bf16 rows become kF32ByBf16: the same results from half the memory.
Matrix read_only_matrix(int64_t rows, int64_t columns, Compute compute, RowType type, const ReadRow& read);

// The same in blocks, kInt8 or kInt4 (gemm_int8.h).
Matrix block_matrix(int64_t rows, int64_t columns, Compute compute, const ReadBlocks& read);

// What is read of a matrix: products with it, or their gradients as well.
enum class Uses { kForward, kForwardAndBackward };

// Packs the weight, again into the same memory when it was packed before: copies of the matrix see the new weight, and
// nobody may read them meanwhile. Nothing to do for weights that are not on the CPU or only read.
void pack(Matrix& matrix, Uses uses);

// Where the gradient of a weight is added up by a backward pass that is written by hand: straight into the leaf's own
// .grad where it has one, which spares a buffer and two passes over it; otherwise in zeros that autograd hands on.
struct WeightGradient {
  explicit WeightGradient(const at::Tensor& weight);
  at::Tensor sum;      // [N,K]
  at::Tensor hand_on;  // for autograd; undefined where it is in place already
};

// The packed copies; made on the spot where there are none, of a matrix that is only read out of its other packing.
at::Tensor transposed_words(const Matrix& matrix);
at::Tensor straight_words(const Matrix& matrix);
// What straight_words() are packed for: bf16 weights of f32 products are widened there.
inline Compute straight_compute(const Matrix& matrix) {
  return matrix.compute == Compute::kF32ByBf16 ? Compute::kF32 : matrix.compute;
}
// For functions that keep a matrix for their backward pass: what reading it needs, beside the weight that autograd
// follows.
std::vector<at::Tensor> saved_words(const Matrix& matrix);  // two, undefined where there is none
std::vector<int64_t> saved_shape(const Matrix& matrix);
Matrix restored(const at::Tensor& weight, const at::Tensor& straight, const at::Tensor& transposed,
                const std::vector<int64_t>& shape);
// As an argument that autograd follows: a matrix that is only read has none.
inline std::optional<at::Tensor> followed(const Matrix& matrix) {
  return matrix.weight.defined() ? std::optional(matrix.weight) : std::nullopt;
}
// Such words as products take them; borrows.
PackedView packed_view(const at::Tensor& words, int64_t depth, int64_t columns, Compute compute);

}  // namespace ponder::tensor
