// One update of a model's weights from rows: pack, forward, loss, backward on every worker, sum, clip, step. The last
// stage of every training recipe: pre-training, fine-tuning, reinforcement learning and critics differ in rows and loss
// alone.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ponder/learn/losses.h"
#include "ponder/learn/optimizer.h"
#include "ponder/learn/pack.h"
#include "ponder/model/weights.h"
#include "ponder/tensor/team.h"

namespace ponder::learn {

struct LearnerOptions {
  OptimizerOptions optimizer = {};
  int64_t pack_tokens = 4096;
  // How workers share a step. Each takes packs of its own, with a gradient and activations of its own; or all compute
  // one pack together, product by product: one gradient, and bits that do not depend on their number.
  std::string share = "auto";
  bool recompute = false;
  void fields(base::Fields& f);
};

// Are products shared? auto: from 64 Mi weights on, of which several gradients would not fit and whose products are
// worth cutting.
bool shares_products(const LearnerOptions& options, int64_t parameters);

// What the weights are moved towards: a row of losses.h's table. sft imitates, the policy losses read advantages and
// logp_old (and logp_ref when beta > 0), orm and prm train the value head on labels, preference losses take rows two by
// two: chosen, rejected.
struct Objective {
  std::string loss = "sft";
  LossOptions options = {};
};

struct StepStats {
  double loss = 0;
  double grad_norm = 0;      // before clipping
  double clip_fraction = 0;  // ratios whose gradient the loss's own clip removed
  double kl = 0;             // mean k3 to the reference a token, nats
  double accuracy = 0;       // preference and score losses
  double entropy = 0;        // mean over learned positions, nats; policy losses
  double max_logp_gap = 0;   // max |logp − logp_old|: on fresh samples the gap between sampler and trainer
  int64_t rows = 0;          // learned from
  int64_t dropped_rows = 0;  // without any gradient (advantage 0, no KL term); they stay in the denominators
  int64_t tokens = 0;        // run through the model
  int64_t targets = 0;       // learned positions
  double seconds = 0;
  double pass_seconds = 0;  // of these until the gradient is there: packing, forward, loss, backward
  double flops = 0;         // forward and backward, closed form
  bool updated = false;     // false: nothing to learn from, or a gradient that is not finite; the weights are as before
};

class Learner {
 public:
  // Shares the parameters' buffer and changes it in place; nobody may read it during step(). Workers that share
  // products are threads of a team that lives as long as the learner.
  Learner(const model::Parameters& parameters, const LearnerOptions& options, int workers);

  // The same rows, weights and number of workers give the same bits; any number where products are shared.
  StepStats step(std::span<const Row> rows, const Objective& objective, double lr);
  int64_t version() const { return optimizer_.steps(); }  // policy version: updates so far
  Optimizer& optimizer() { return optimizer_; }

 private:
  struct Worker {
    at::Tensor grad;                // [N] own
    model::DecoderWeights weights;  // leaves over the shared buffer, gradients into grad; matrices packed by worker 0
    at::Tensor logits;              // room for those of a chunk, kept from pack to pack
  };
  StepStats step_here(std::span<const Row> rows, const Objective& objective, double lr);

  model::Parameters parameters_;
  LearnerOptions options_;
  Optimizer optimizer_;
  std::unique_ptr<tensor::Team> team_;  // null: workers take packs
  std::vector<Worker> workers_;
  bool spent_ = true;  // the first worker's gradient is 0: the optimizer left it so
};

// For each row [n], aligned with its tokens: the log-prob of each learned token under these weights (a reference's
// logp_ref, or logp_old again), or the critic's score in [0, 1] behind each learned position; 0 elsewhere. No
// gradients.
std::vector<std::vector<float>> row_logps(const model::Parameters& parameters, std::span<const Row> rows,
                                          int64_t pack_tokens, int workers);
std::vector<std::vector<float>> row_scores(const model::Parameters& parameters, std::span<const Row> rows,
                                           int64_t pack_tokens, int workers);

}  // namespace ponder::learn
