#include "ponder/recipes/solver.h"

#include <algorithm>

#include "ponder/base/thread.h"
#include "ponder/recipes/decode_args.h"
#include "ponder/recipes/recipe.h"
#include "ponder/search/strategies.h"
#include "ponder/tasks/dataset.h"
#include "ponder/tasks/word_codec.h"

namespace ponder::recipes {
namespace {

// Tokens of a completion and of its steps, where the model writes words and the user says nothing.
constexpr int64_t kWordTokens = 512, kLineTokens = 128;

ProblemFile problems_for(const SolveArgs& args) {
  if (!args.prompt.empty()) {
    ProblemFile file;
    core::Item item;
    item.problem.id = "prompt";
    item.problem.question = args.prompt;
    file.items.push_back(std::move(item));
    file.lines.push_back(1);
    return file;
  }
  if (args.problems.empty())
    throw Error(ErrorCode::kUsage, "give --prompt TEXT or --problems FILE.jsonl", "command line");
  ProblemFile file = is_task_spec(args.problems) ? draw_problems(args.problems, args.n > 0 ? args.n : 200, args.seed)
                                                 : read_problems(args.problems, args.task);
  if (args.n > 0 && static_cast<int64_t>(file.items.size()) > args.n) file.items.resize(static_cast<size_t>(args.n));
  return file;
}

// Why this model cannot read the problem; "" when it can. A prompt that the user typed is an error at once.
std::string unreadable(const SolveArgs& args, const Solver& solver, const core::Problem& problem) {
  const int64_t context = solver.model.policy.config.context;
  try {
    const auto length = static_cast<int64_t>(solver.codec->prompt(problem).size());
    if (length < 1 || length >= context)
      throw Error(ErrorCode::kUsage, base::cat("the prompt has ", length, " tokens; this model reads 1 to ",
                                               context - 1, " and writes the rest"));
    return "";
  } catch (const Error& e) {
    if (!args.prompt.empty()) throw Error(e.code(), e.message(), "--prompt");
    return e.message();
  }
}

}  // namespace

Solver open_solver(const SolveArgs& args) {
  const OpenOptions open{.weights = args.weights, .adapter = args.adapter};
  Solver solver{open_model(args.model, open)};
  solver.draft = open_draft(args.decode, solver.model, open);
  if (!args.discriminator.empty())
    solver.discriminator = open_beside(args.discriminator, "discriminator", solver.model, open);
  solver.codec = open_codec(solver.model, args.words);
  solver.in_words = dynamic_cast<const tasks::WordCodec*>(solver.codec.get()) != nullptr;
  if (!args.data.empty()) tasks::set_data_folder(args.data);
  return solver;
}

Models models_of(const SolveArgs& args, const Solver& solver) {
  const OpenedModel& model = solver.model;
  Models models;
  models.policy = &model.policy;
  models.critic = model.critic ? &*model.critic : nullptr;
  models.confidence = model.confidence ? &*model.confidence : nullptr;
  models.workers = args.workers > 0 ? static_cast<int>(args.workers) : base::hardware_threads();
  set_decoding(args.decode, solver.draft, models);
  if (solver.discriminator && uses_discriminator(args)) models.second = &solver.discriminator->policy;
  return models;
}

double TokenFlops::of(const core::Usage& usage) const {
  const auto d = [](int64_t n) { return static_cast<double>(n); };
  return policy * d(usage.processed) + critic * d(usage.critic_processed) + second * d(usage.second_processed) +
         draft * d(usage.drafted);
}

TokenFlops token_flops(const Solver& solver, int64_t longest) {
  const auto price = [&](const std::optional<OpenedModel>& model) {
    return model ? model::forward_flops(model->policy.config, static_cast<double>(longest)) : 0.0;
  };
  TokenFlops flops;
  flops.policy = model::forward_flops(solver.model.policy.config, static_cast<double>(longest));
  if (solver.model.critic)
    flops.critic = model::forward_flops(solver.model.critic->config, static_cast<double>(longest));
  flops.second = price(solver.discriminator), flops.draft = price(solver.draft);
  return flops;
}

core::Budget budget_of(const SolveArgs& args, const TokenFlops& flops) {
  core::Budget budget;
  if (args.budget_tokens > 0) budget.tokens = args.budget_tokens;
  if (args.budget_nodes > 0) budget.nodes = args.budget_nodes;
  if (args.budget_seconds > 0) budget.seconds = args.budget_seconds;
  if (args.budget_flops > 0) budget.flops = args.budget_flops;
  budget.write_flops = std::max(flops.policy, flops.second), budget.critic_flops = flops.critic;
  return budget;
}

bool uses_discriminator(const SolveArgs& args) {
  return search::make_strategy(args.search, args.search_options)->asks_second();
}

void check_discriminator(const SolveArgs& args, const std::vector<bool>& uses) {
  if (args.discriminator.empty() || std::ranges::find(uses, true) != uses.end()) return;
  throw Error(ErrorCode::kUsage,
              "only rstar has a use for another model, where it covers answers up (reserve above 0); name that search, "
              "or auto with it",
              "--discriminator");
}

ProblemFile readable_problems(const SolveArgs& args, const Solver& solver) {
  ProblemFile file = problems_for(args), kept;
  kept.errors = std::move(file.errors);
  for (size_t i = 0; i < file.items.size(); ++i) {
    const std::string reason = unreadable(args, solver, file.items[i].problem);
    if (reason.empty()) {
      kept.items.push_back(std::move(file.items[i]));
      kept.lines.push_back(file.lines[i]);
    } else {
      kept.errors.push_back({file.lines[i], base::cat(args.problems, ":", file.lines[i], ": ", reason)});
    }
  }
  std::ranges::stable_sort(kept.errors, {}, &RowError::line);
  return kept;
}

std::vector<std::string> search_options(const SolveArgs& args, const Solver& solver) {
  const int64_t context = solver.model.policy.config.context;
  std::vector<std::string> options;
  if (solver.in_words) {
    options.push_back(base::cat("max_tokens=", std::min(kWordTokens, std::max<int64_t>(1, context - 1))));
    if (base::has_field(search::make_strategy(args.search)->options(), "step_tokens"))
      options.push_back(base::cat("step_tokens=", kLineTokens));
  } else {
    options.push_back(base::cat("max_tokens=", std::max<int64_t>(1, context - kLongestPrompt)));
  }
  options.insert(options.end(), args.search_options.begin(), args.search_options.end());
  return options;
}

int64_t longest_sequence(const text::ProblemCodec& codec, const std::vector<core::Item>& items,
                         search::Strategy& strategy) {
  constexpr int64_t kQuestion = 256;  // the words of a question and of the feedback in it
  size_t prompt = 0;
  for (const core::Item& item : items) prompt = std::max(prompt, codec.prompt(item.problem).size());
  const base::Json options = base::to_json(strategy.options());
  const base::Json* most = options.find("max_tokens");
  const int64_t answer = most ? most->as_int() : 0;
  bool asks = options.find("guide") && options.at("guide").as_string() == "p-true";
  for (const char* field : {"feedback_tokens", "plan_tokens", "part_tokens", "eval_tokens"})
    asks |= options.find(field) != nullptr;
  return static_cast<int64_t>(prompt) + answer + (asks ? answer + kQuestion : 0);
}

}  // namespace ponder::recipes
