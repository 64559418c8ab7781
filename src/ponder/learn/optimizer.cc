#include "ponder/learn/optimizer.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/lerp.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>
#include <numeric>

#include "ponder/base/error.h"
#include "ponder/base/thread.h"
#include "ponder/store/safetensors.h"
#include "ponder/tensor/team.h"

namespace ponder::learn {

namespace {

// Numbers of a flat buffer. A team's threads take it apart at multiples of the first, whose gradient, weights and
// moments (1 MiB) stay in the second cache while they are worked on; norms are added up over pieces of the second.
constexpr int64_t kPiece = int64_t{1} << 16, kNormPiece = int64_t{1} << 24;

}  // namespace

void OptimizerOptions::fields(base::Fields& f) {
  f.field("kind", kind, {.help = "muon: Muon for matrices, AdamW for the rest", .choices = {"adamw", "muon"}});
  f.field("beta1", beta1, {.min = 0, .max = 0.9999, .help = "AdamW: decay of the mean gradient"});
  f.field("beta2", beta2, {.min = 0, .max = 0.999999, .help = "AdamW: decay of the mean squared gradient"});
  f.field("eps", eps, {.min = 1e-16, .max = 1, .help = "AdamW: added to the root of the second moment"});
  f.field("weight_decay", weight_decay, {.min = 0, .max = 10, .help = "decoupled; norms and biases are left alone"});
  f.field("clip_norm", clip_norm, {.min = 0, .help = "largest norm of a gradient; 0 = no limit"});
  f.field("muon_momentum", muon_momentum, {.min = 0, .max = 0.9999, .help = "Muon: decay of the momentum"});
  f.field("muon_lr_scale", muon_lr_scale, {.min = 0, .max = 1000, .help = "Muon's learning rate, in units of lr"});
}

void ScheduleOptions::fields(base::Fields& f) {
  f.field("kind", kind, {.help = "course of the learning rate", .choices = {"constant", "cosine", "linear"}});
  f.field("warmup", warmup, {.min = 0, .unit = "steps", .help = "steps of linear rise"});
  f.field("final_ratio", final_ratio, {.min = 0, .max = 1, .help = "last learning rate over the highest"});
}

double schedule_factor(const ScheduleOptions& options, int64_t step, int64_t total) {
  if (step < options.warmup) return static_cast<double>(step + 1) / static_cast<double>(options.warmup + 1);
  if (options.kind == "constant") return 1;
  const double span = static_cast<double>(std::max<int64_t>(1, total - 1 - options.warmup));
  const double progress = std::min(1.0, static_cast<double>(step - options.warmup) / span);
  const double height = options.kind == "cosine" ? (1 + std::cos(std::numbers::pi * progress)) / 2 : 1 - progress;
  return options.final_ratio + (1 - options.final_ratio) * height;
}

double gradient_norm(const at::Tensor& grad) {
  const int64_t size = grad.numel(), pieces = (size + kNormPiece - 1) / kNormPiece;
  std::vector<double> squares(static_cast<size_t>(pieces));
  tensor::share_large(size, pieces, 1, [&](int64_t from, int64_t to) {
    at::init_num_threads();
    const at::NoGradGuard no_grad;
    for (int64_t i = from; i < to; ++i) {
      const at::Tensor piece = grad.narrow(0, i * kNormPiece, std::min(kNormPiece, size - i * kNormPiece));
      const double norm = at::linalg_vector_norm(piece).item<double>();
      squares[static_cast<size_t>(i)] = norm * norm;
    }
  });
  return std::sqrt(std::accumulate(squares.begin(), squares.end(), 0.0));
}

double clip_factor(double norm, double max_norm) { return max_norm > 0 && norm > max_norm ? max_norm / norm : 1.0; }

at::Tensor orthogonalize(const at::Tensor& g) {
  constexpr int kSteps = 5;
  constexpr double a = 3.4445, b = -4.7750, c = 2.0315;
  const bool tall = g.size(0) > g.size(1);  // A = XXᵀ is the smaller of the two products
  at::Tensor x = (tall ? g.t() : g).contiguous();
  x = x.div(at::linalg_vector_norm(x).add(1e-7));
  for (int i = 0; i < kSteps; ++i) {
    const at::Tensor gram = at::mm(x, x.t());
    x = at::addmm(x, at::addmm(gram, gram, gram, b, c), x, a, 1);
  }
  return tall ? x.t() : x;
}

Optimizer::Optimizer(const model::Parameters& parameters, const OptimizerOptions& options) : options_(options) {
  const model::Trained trained = model::trained_weights(parameters);
  flat_ = trained.flat;
  if (options.kind == "muon") matrices_ = trained.matrices;
  const auto in_matrix = [this](int64_t offset) {
    return std::any_of(matrices_.begin(), matrices_.end(), [offset](const model::MatrixInfo& m) {
      return offset >= m.offset && offset < m.offset + m.rows * m.columns;
    });
  };
  for (const auto& p : trained.table) {
    if (in_matrix(p.offset)) continue;
    auto& ranges = p.shape.size() >= 2 ? decayed_ : plain_;
    if (!ranges.empty() && ranges.back().offset + ranges.back().size == p.offset) {
      ranges.back().size += p.numel();
    } else {
      ranges.push_back({p.offset, p.numel()});
    }
  }
  first_ = at::zeros_like(flat_);
  second_ = at::zeros_like(flat_);
}

void Optimizer::step(const at::Tensor& grad, double lr, double factor, int workers) {
  const at::NoGradGuard no_grad;
  PONDER_CHECK(grad.sizes() == flat_.sizes(), "the gradient must have one number for each weight");
  ++steps_;
  step_adamw(decayed_, grad, lr, factor, options_.weight_decay);
  step_adamw(plain_, grad, lr, factor, 0.0);
  if (matrices_.empty()) return;
  base::run_workers(workers, [&](int worker) {
    at::init_num_threads();  // both are settings of each thread
    const at::NoGradGuard no_grad_here;
    for (size_t i = static_cast<size_t>(worker); i < matrices_.size(); i += static_cast<size_t>(workers)) {
      step_muon(matrices_[i], grad, lr, factor);
    }
  });
}

void Optimizer::step_adamw(const std::vector<Range>& ranges, const at::Tensor& grad, double lr, double factor,
                           double decay) {
  const at::Tensor steps = at::full({}, static_cast<double>(steps_), flat_.options());
  const auto update = [&](int64_t offset, int64_t size) {
    at::init_num_threads();  // both are settings of each thread
    const at::NoGradGuard no_grad;
    const auto piece = [&](const at::Tensor& t) { return std::vector{t.narrow(0, offset, size)}; };
    at::Tensor own = grad.narrow(0, offset, size);
    if (factor != 1) own.mul_(factor);
    at::_fused_adamw_(piece(flat_), piece(grad), piece(first_), piece(second_), {}, {steps}, lr, options_.beta1,
                      options_.beta2, decay, options_.eps, /*amsgrad=*/false, /*maximize=*/false);
    own.zero_();
  };
  for (const Range& r : ranges)
    tensor::share_large(r.size, r.size, kPiece, [&](int64_t from, int64_t to) {
      const int64_t step = flat_.is_cpu() ? kPiece : to - from;  // elsewhere each call has its price
      for (int64_t i = from; i < to; i += step) update(r.offset + i, std::min(step, to - i));
    });
}

void Optimizer::step_muon(const model::MatrixInfo& matrix, const at::Tensor& grad, double lr, double factor) {
  const auto piece = [&matrix](const at::Tensor& flat) {
    return flat.narrow(0, matrix.offset, matrix.rows * matrix.columns).view({matrix.rows, matrix.columns});
  };
  at::Tensor weight = piece(flat_), momentum = piece(first_);
  at::Tensor g = piece(grad);
  if (factor != 1) g.mul_(factor);
  momentum.lerp_(g, 1 - options_.muon_momentum);
  const at::Tensor direction = orthogonalize(at::lerp(g, momentum, options_.muon_momentum));
  const double shape = std::sqrt(std::max(1.0, static_cast<double>(matrix.rows) / static_cast<double>(matrix.columns)));
  weight.mul_(1 - lr * options_.weight_decay).sub_(direction, lr * options_.muon_lr_scale * shape);
  g.zero_();
}

void Optimizer::save(const std::string& path) const {
  const at::Tensor first = first_.cpu().contiguous(), second = second_.cpu().contiguous();
  store::write_safetensors(path,
                           {{"first_moment", "F32", {first.numel()}, first.const_data_ptr()},
                            {"second_moment", "F32", {second.numel()}, second.const_data_ptr()},
                            {"steps", "I64", {1}, &steps_}},
                           {{"optimizer", options_.kind}});
}

void Optimizer::load(const std::string& path) {
  const store::SafetensorsFile file(path);
  const auto kind = file.metadata().find("optimizer");
  if (kind == file.metadata().end() || kind->second != options_.kind) {
    const std::string found = kind == file.metadata().end() ? "no optimizer" : kind->second;
    throw Error(ErrorCode::kInput, base::cat("holds the state of ", found, "; this run uses ", options_.kind), path);
  }
  const auto bytes_of = [&](const char* name, const char* dtype, size_t size) {
    const store::TensorEntry& entry = file.at(name);
    if (entry.dtype != dtype || entry.bytes != static_cast<int64_t>(size)) {
      throw Error(
          ErrorCode::kInput,
          base::cat(name, " is ", entry.dtype, " of ", entry.bytes, " bytes; this model needs ", dtype, " of ", size),
          path);
    }
    return file.bytes(entry);
  };
  // All is checked before anything is written: a wrong file leaves the optimizer as it was.
  const std::string_view steps = bytes_of("steps", "I64", sizeof steps_);
  const std::string_view first = bytes_of("first_moment", "F32", first_.nbytes());
  const std::string_view second = bytes_of("second_moment", "F32", second_.nbytes());
  std::memcpy(&steps_, steps.data(), sizeof steps_);
  for (auto [bytes, tensor] : {std::pair{first, first_}, {second, second_}}) {
    const at::Tensor host = at::empty({tensor.numel()}, at::TensorOptions(at::kFloat));
    std::memcpy(host.mutable_data_ptr(), bytes.data(), bytes.size());
    tensor.copy_(host);
  }
}

}  // namespace ponder::learn
