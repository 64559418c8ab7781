// Turns a gradient into new weights: AdamW, or Muon for the matrices inside the layers and AdamW for the rest. Works in
// place on a model's flat buffer. Called by learner.cc; recipes save and load its state beside a checkpoint's weights.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "ponder/base/fields.h"
#include "ponder/model/weights.h"
#include "ponder/tensor/tensor.h"

namespace ponder::learn {

struct OptimizerOptions {
  std::string kind = "adamw";
  double beta1 = 0.9;
  double beta2 = 0.98;
  double eps = 1e-8;
  double weight_decay = 0.0;
  double clip_norm = 1.0;
  double muon_momentum = 0.95;
  double muon_lr_scale = 5.0;
  void fields(base::Fields& f);
};

// AdamW: Loshchilov & Hutter, arXiv 1711.05101, algorithm 2; norms and biases are not decayed.
// Muon (Jordan 2024, kellerjordan.github.io/posts/muon): the Nesterov momentum of a matrix [R,C] is orthogonalised and
// applied with step lr · muon_lr_scale · √max(1, R/C).
class Optimizer {
 public:
  Optimizer(const model::Parameters& parameters, const OptimizerOptions& options);

  // grad [N], times factor; it is spent, and 0 afterwards: one way through memory for all of it. The matrices of Muon
  // are shared out among `workers` threads; their number does not change a bit.
  void step(const at::Tensor& grad, double lr, double factor, int workers);
  int64_t steps() const { return steps_; }

  // State as a safetensors file: moments and the number of steps. Loading it beside the same weights goes on in the
  // same bits. Error(kInput) names the file when it belongs to another model or another kind of optimizer.
  void save(const std::string& path) const;
  void load(const std::string& path);

 private:
  struct Range {
    int64_t offset = 0, size = 0;
  };
  void step_adamw(const std::vector<Range>& ranges, const at::Tensor& grad, double lr, double factor, double decay);
  void step_muon(const model::MatrixInfo& matrix, const at::Tensor& grad, double lr, double factor);

  OptimizerOptions options_;
  std::vector<Range> decayed_, plain_;       // AdamW's, with and without weight decay
  std::vector<model::MatrixInfo> matrices_;  // Muon's

  at::Tensor flat_;  // [N] borrowed from the model

  at::Tensor first_, second_;  // [N] moments; first_ is Muon's momentum too
  int64_t steps_ = 0;
};

// The Euclidean norm of a flat gradient, and what to multiply it with so that its norm is at most max_norm (0 = no
// limit).
double gradient_norm(const at::Tensor& grad);
double clip_factor(double norm, double max_norm);

// The nearest semi-orthogonal matrix to g [R,C], roughly: five Newton–Schulz steps X ← aX + (bA + cA²)X, A = XXᵀ, from
// X = g/‖g‖; (a, b, c) = (3.4445, −4.7750, 2.0315), Jordan 2024. Singular values end between 0.7 and 1.2.
at::Tensor orthogonalize(const at::Tensor& g);

struct ScheduleOptions {
  std::string kind = "constant";
  int64_t warmup = 0;
  double final_ratio = 0.0;
  void fields(base::Fields& f);
};

// Factor of the learning rate at step 0 … total − 1: rises linearly over the warm-up, then stays, or falls along a line
// or half a cosine to final_ratio.
double schedule_factor(const ScheduleOptions& options, int64_t step, int64_t total);

}  // namespace ponder::learn
