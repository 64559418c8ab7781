#include "ponder/learn/learner.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>

#include "ponder/base/clock.h"
#include "ponder/base/error.h"
#include "ponder/base/thread.h"
#include "ponder/model/adapter.h"
#include "ponder/model/decoder.h"
#include "ponder/tensor/guard.h"
#include "ponder/tensor/head_logp.h"

namespace ponder::learn {
namespace {

using model::DecoderConfig;
using model::DecoderWeights;
using model::Packs;

Reads reads_of(const LossInfo& info) { return info.reads_scores ? Reads::kScores : Reads::kTokens; }

at::Tensor id_tensor(const std::vector<int64_t>& values, const at::Tensor& like) {
  const auto size = static_cast<int64_t>(values.size());
  // A copy: backward keeps these tensors, and a pack may be gone by then.
  return at::from_blob(const_cast<int64_t*>(values.data()), {size}, at::TensorOptions(at::kLong))
      .to(like.device(), /*non_blocking=*/false, /*copy=*/true);
}

// The hidden states that the pack's losses read, [P,D].
at::Tensor read_hidden(const DecoderConfig& config, const DecoderWeights& weights, const Pack& pack, model::Keep keep) {
  const at::Tensor ids = id_tensor(pack.ids, weights.final_norm);
  const at::Tensor all = model::packed_hidden(config, weights, ids, pack.packing, keep);  // [T,D]
  return at::index_select(all, 0, id_tensor(pack.hidden, weights.final_norm));
}

std::vector<double> to_doubles(const at::Tensor& tensor) {
  const at::Tensor host = tensor.detach().to(at::kCPU, at::kDouble).contiguous();
  const double* data = host.const_data_ptr<double>();
  return {data, data + host.numel()};
}

// What one worker adds up over its packs, in their order.
struct Sums {
  double loss = 0, entropy = 0, max_logp_gap = 0, flops = 0;
  int64_t rows = 0, tokens = 0, targets = 0;
  LossStats stats = {};
  void add(const Sums& o) {
    loss += o.loss, entropy += o.entropy, flops += o.flops;
    max_logp_gap = std::max(max_logp_gap, o.max_logp_gap);
    rows += o.rows, tokens += o.tokens, targets += o.targets;
    stats += o.stats;
  }
};

// Forward, then gradients of what a product reads and of its weight; beside an adapter only its own weights have one.
double pack_flops(const model::Parameters& parameters, const Pack& pack) {
  const double passes = parameters.adapter ? 2 : 3;
  const double adapter = parameters.adapter ? 3 * 2 * static_cast<double>(parameters.adapter->flat.numel()) : 0;
  double sum = 0, prompt = 0;
  for (size_t s = 0; s < pack.packing.count(); ++s) {
    const auto n = static_cast<double>(pack.packing.rows(s));
    const double before = pack.packing.goes_on(s) ? prompt : 0;
    sum += n * (passes * model::forward_flops(parameters.config, before + (n + 1) / 2) + adapter);
    if (!pack.packing.goes_on(s)) prompt = n;
  }
  return sum;
}

// Rows of a pack, first … end − 1, whose log-probs and loss are taken together.
struct RowRange {
  size_t first = 0, end = 0;
};

// Whole units of rows, as many as have their logits kept; they add up like packs.
std::vector<RowRange> chunks_of(const Pack& pack, size_t unit, int64_t most) {
  std::vector<RowRange> chunks;
  for (size_t row = 0; row < pack.rows.size(); row += unit) {
    const int64_t end = pack.offsets[row + unit];
    if (chunks.empty() || end - pack.offsets[chunks.back().first] > most) chunks.push_back({row, row});
    chunks.back().end = row + unit;
  }
  return chunks;
}

class LossOfPack {
 public:
  LossOfPack(const Pack& pack, const LossInfo& info, const LossOptions& options, const LossTotals& totals)
      : pack_(pack), info_(info), options_(options), totals_(totals) {}
  size_t unit() const { return info_.kind == LossKind::kPreference ? 2 : 1; }

  // The slopes ∂loss/∂value of some rows' values, log-probs or scores before the sigmoid; adds their loss up.
  at::Tensor slopes(RowRange rows, const at::Tensor& values, const at::Tensor& entropy) {
    const std::vector<double> numbers = to_doubles(values);
    std::vector<int64_t> offsets;
    std::vector<Pair> pairs;
    LossInput input = pack_.loss_input(rows.first, rows.end, numbers, offsets);
    if (info_.kind == LossKind::kPreference) {
      for (int64_t row = 0; row + 1 < static_cast<int64_t>(input.rows()); row += 2) pairs.push_back({row, row + 1});
    }
    input.pairs = pairs;
    input.totals = totals_;
    const LossResult result = compute_loss(info_, input, options_);
    sums.loss += result.loss;
    sums.stats += result.stats;
    if (entropy.defined()) {
      for (double h : to_doubles(entropy)) sums.entropy += h;
    }
    for (size_t i = 0; i < input.logp_old.size(); ++i)
      sums.max_logp_gap = std::max(sums.max_logp_gap, std::abs(numbers[i] - input.logp_old[i]));
    return at::tensor(result.grad_logp, at::kDouble);
  }

  Sums sums;

 private:
  const Pack& pack_;
  const LossInfo& info_;
  const LossOptions& options_;
  const LossTotals& totals_;
};

// Forward, loss and backward of one pack; the gradient goes into the leaves' own buffer.
Sums learn_pack(const model::Parameters& parameters, const DecoderWeights& weights, const Pack& pack,
                const LossInfo& info, const LossOptions& options, const LossTotals& totals, model::Keep keep,
                at::Tensor& room) {
  LossOfPack loss(pack, info, options, totals);
  const at::Tensor hidden = read_hidden(parameters.config, weights, pack, keep);
  if (info.reads_scores) {
    const at::Tensor scores = model::value_logits(weights, hidden);
    scores.backward(loss.slopes({0, pack.rows.size()}, scores, at::Tensor()).to(scores.options()));
  } else {
    const auto chunks = chunks_of(pack, loss.unit(), tensor::kept_rows(parameters.config.vocab, weights.head.compute));
    std::vector<int64_t> ends;
    for (const RowRange& chunk : chunks) ends.push_back(pack.offsets[chunk.end]);
    hidden.backward(tensor::head_logp_gradient(
        hidden, weights.head, id_tensor(pack.targets, weights.final_norm), ends, info.kind == LossKind::kPolicy,
        [&](size_t c, const tensor::HeadLogp& rows) { return loss.slopes(chunks[c], rows.logp, rows.entropy); }, room));
  }
  Sums& sums = loss.sums;
  sums.flops = pack_flops(parameters, pack);
  sums.rows = static_cast<int64_t>(pack.rows.size());
  sums.tokens = static_cast<int64_t>(pack.ids.size());
  sums.targets = static_cast<int64_t>(pack.targets.size());
  return sums;
}

LossTotals totals_of_rows(std::span<const Row> rows) {
  LossTotals totals;
  for (const Row& row : rows) {
    double tokens = 0, learned = 0;
    for (float w : row.weights) tokens += w, learned += w != 0;
    totals.rows += learned > 0;
    totals.tokens += tokens;
    totals.max_row = std::max(totals.max_row, learned);
  }
  totals.pairs = static_cast<double>(rows.size()) / 2;
  return totals;
}

bool has_advantage(const Row& row) {
  for (size_t i = 0; i < row.advantages.size(); ++i) {
    if (row.weights[i] != 0 && row.advantages[i] != 0) return true;
  }
  return false;
}

// A gradient that is known to be zero is not worth a forward pass.
std::vector<Row> rows_with_gradient(std::span<const Row> rows, const LossInfo& info, const LossOptions& options) {
  std::vector<Row> kept;
  for (const Row& row : rows) {
    if (info.kind != LossKind::kPolicy || options.beta > 0 || has_advantage(row)) kept.push_back(row);
  }
  return kept;
}

// A team serves products on the CPU.
bool teams_up(const LearnerOptions& options, const model::Parameters& parameters) {
  return (!parameters.flat.defined() || parameters.flat.is_cpu()) &&
         shares_products(options, parameters.config.parameter_count());
}

std::vector<std::vector<float>> row_values(const model::Parameters& parameters, std::span<const Row> rows, Reads reads,
                                           int64_t pack_tokens, int workers) {
  std::vector<std::vector<float>> out(rows.size());
  for (size_t i = 0; i < rows.size(); ++i) out[i].assign(rows[i].tokens.size(), 0.0f);
  std::unique_ptr<tensor::Team> team;
  if (teams_up({}, parameters)) team = std::make_unique<tensor::Team>(std::exchange(workers, 1));
  const auto packs = make_packs(rows, reads, {.max_tokens = pack_tokens, .workers = workers});
  const DecoderWeights weights = model::read_views(parameters, team ? Packs::kOnTheSpot : Packs::kKept);
  base::run_workers(workers, [&](int worker) {
    const tensor::TeamScope scope(team.get());
    at::init_num_threads();
    const at::NoGradGuard no_grad;
    for (size_t j = static_cast<size_t>(worker); j < packs.size(); j += static_cast<size_t>(workers)) {
      const at::Tensor hidden = read_hidden(parameters.config, weights, packs[j], model::Keep::kActivations);
      const std::vector<double> numbers = to_doubles(
          reads == Reads::kScores
              ? at::sigmoid(model::value_logits(weights, hidden))
              : tensor::head_logp(hidden, weights.head, id_tensor(packs[j].targets, weights.final_norm), false).logp);
      for (size_t s = 0; s < packs[j].rows.size(); ++s) {
        for (auto p = static_cast<size_t>(packs[j].offsets[s]); p < static_cast<size_t>(packs[j].offsets[s + 1]); ++p) {
          out[packs[j].rows[s]][static_cast<size_t>(packs[j].sources[p])] = static_cast<float>(numbers[p]);
        }
      }
    }
  });
  return out;
}

}  // namespace

void LearnerOptions::fields(base::Fields& f) {
  f.group("optimizer", optimizer, "from gradients to weights");
  f.field("pack_tokens", pack_tokens, {.min = 16, .unit = "tokens", .help = "tokens of one forward and backward pass"});
  f.field("share", share,
          {.help = "what workers share out: packs, or products of one pack; auto: products from 64 Mi weights on",
           .choices = {"auto", "packs", "products"}});
  f.field(
      "recompute", recompute,
      {.help = "keep only each layer's input and compute the layer again for its gradient: less memory, same bits"});
}

bool shares_products(const LearnerOptions& options, int64_t parameters) {
  return options.share == "products" || (options.share == "auto" && parameters >= tensor::kSharedWeights);
}

Learner::Learner(const model::Parameters& parameters, const LearnerOptions& options, int workers)
    : parameters_(parameters), options_(options), optimizer_(parameters, options.optimizer) {
  PONDER_CHECK(workers >= 1, "a learner needs at least one worker, got ", workers);
  if (parameters.adapter && parameters.adapter->config.lora_dropout != 0)
    throw Error(ErrorCode::kUsage, base::cat("lora_dropout is ", parameters.adapter->config.lora_dropout,
                                             "; adapters are trained without dropout, lora_dropout 0"));
  if (teams_up(options, parameters)) team_ = std::make_unique<tensor::Team>(std::exchange(workers, 1));
  for (int w = 0; w < workers; ++w) {
    Worker worker;
    worker.grad = at::zeros_like(model::trained_weights(parameters).flat);
    worker.weights = model::trained_views(parameters, worker.grad, workers_.empty() ? nullptr : &workers_[0].weights,
                                          team_ ? Packs::kOnTheSpot : Packs::kKept);
    workers_.push_back(std::move(worker));
  }
}

StepStats Learner::step(std::span<const Row> rows, const Objective& objective, double lr) {
  return tensor::guarded("learn/step", [&] {
    const tensor::TeamScope scope(team_.get());
    return step_here(rows, objective, lr);
  });
}

StepStats Learner::step_here(std::span<const Row> rows, const Objective& objective, double lr) {
  const base::Stopwatch watch;
  const LossInfo& info = find_loss(objective.loss);
  const LossOptions loss_options = resolve_options(info, objective.options);
  const LossTotals totals = totals_of_rows(rows);
  const std::vector<Row> kept = rows_with_gradient(rows, info, loss_options);
  const int n = static_cast<int>(workers_.size());
  const auto packs = make_packs(kept, reads_of(info),
                                {.max_tokens = options_.pack_tokens,
                                 .workers = n,
                                 .unit = info.kind == LossKind::kPreference ? size_t{2} : size_t{1}});
  model::repack(workers_[0].weights);  // once a step, for all workers
  const auto keep = options_.recompute ? model::Keep::kInputs : model::Keep::kActivations;
  std::vector<Sums> sums(workers_.size());
  const bool is_clear = std::exchange(spent_, false);  // a step that throws leaves a part of a gradient
  base::run_workers(n, [&](int w) {
    at::init_num_threads();  // LibTorch keeps its number of threads for each thread apart
    Worker& worker = workers_[static_cast<size_t>(w)];
    if (w > 0 || !is_clear) worker.grad.zero_();
    for (size_t j = static_cast<size_t>(w); j < packs.size(); j += workers_.size()) {
      sums[static_cast<size_t>(w)].add(
          learn_pack(parameters_, worker.weights, packs[j], info, loss_options, totals, keep, worker.logits));
    }
  });
  // Workers are added up in their order, whichever ended first.
  at::Tensor& grad = workers_[0].grad;
  for (size_t w = 1; w < workers_.size(); ++w) {
    grad.add_(workers_[w].grad);
    sums[0].add(sums[w]);
  }
  const double pass_seconds = watch.seconds();
  const Sums& all = sums[0];
  StepStats stats{.loss = all.loss, .rows = all.rows, .tokens = all.tokens, .targets = all.targets, .flops = all.flops};
  stats.pass_seconds = pass_seconds;
  stats.grad_norm = gradient_norm(grad);
  stats.clip_fraction = all.stats.clip_fraction();
  stats.kl = all.stats.mean_kl();
  stats.accuracy = all.stats.accuracy();
  stats.entropy = all.targets > 0 ? all.entropy / static_cast<double>(all.targets) : 0.0;
  stats.max_logp_gap = all.max_logp_gap;
  stats.dropped_rows = static_cast<int64_t>(rows.size()) - all.rows;
  stats.updated = all.rows > 0 && std::isfinite(stats.grad_norm);
  if (stats.updated) optimizer_.step(grad, lr, clip_factor(stats.grad_norm, options_.optimizer.clip_norm), n);
  spent_ = stats.updated;
  stats.seconds = watch.seconds();
  return stats;
}

std::vector<std::vector<float>> row_logps(const model::Parameters& parameters, std::span<const Row> rows,
                                          int64_t pack_tokens, int workers) {
  return tensor::guarded("learn/row_logps",
                         [&] { return row_values(parameters, rows, Reads::kTokens, pack_tokens, workers); });
}

std::vector<std::vector<float>> row_scores(const model::Parameters& parameters, std::span<const Row> rows,
                                           int64_t pack_tokens, int workers) {
  return tensor::guarded("learn/row_scores",
                         [&] { return row_values(parameters, rows, Reads::kScores, pack_tokens, workers); });
}

}  // namespace ponder::learn
