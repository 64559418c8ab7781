#include "ponder/recipes/solver.h"

#include <algorithm>

#include "ponder/base/thread.h"
#include "ponder/recipes/decode_args.h"
#include "ponder/recipes/recipe.h"
#include "ponder/search/auto_table.h"
#include "ponder/search/strategies.h"
#include "ponder/tasks/dataset.h"
#include "ponder/tasks/task.h"
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

namespace {

// In the tokens in front it is a straight line, but for windows, where the line lies above.
core::TokenFlops token_flops(const model::DecoderConfig& config) {
  const double alone = model::forward_flops(config, 0);
  return {alone, model::forward_flops(config, 1) - alone};
}

}  // namespace

SearchFlops::SearchFlops(const Solver& solver, search::Strategy& strategy)
    : policy(token_flops(solver.model.policy.config)), longest(longest_completion(strategy)) {
  if (solver.model.critic) critic = token_flops(solver.model.critic->config);
  if (solver.discriminator) second = token_flops(solver.discriminator->policy.config);
  if (solver.draft) draft = token_flops(solver.draft->policy.config);
}

double SearchFlops::of(const core::Usage& usage, const search::SearchResult& result) const {
  const int64_t end = last_position(result);
  const auto all = [&](const core::TokenFlops& each, int64_t n) { return each.behind(end) * static_cast<double>(n); };
  return all(policy, usage.processed) + of_critic(usage, result) + all(second, usage.second_processed) +
         all(draft, usage.drafted);
}

double SearchFlops::of_critic(const core::Usage& usage, const search::SearchResult& result) const {
  return critic.behind(last_position(result)) * static_cast<double>(usage.critic_processed);
}

int64_t SearchFlops::last_position(const search::SearchResult& result) const {
  return (result.prompts.empty() ? 0 : static_cast<int64_t>(result.prompts[0].size())) + longest;
}

core::Budget budget_of(const SolveArgs& args, const SearchFlops& flops) {
  core::Budget budget;
  if (args.budget_tokens > 0) budget.tokens = args.budget_tokens;
  if (args.budget_nodes > 0) budget.nodes = args.budget_nodes;
  if (args.budget_seconds > 0) budget.seconds = args.budget_seconds;
  if (args.budget_flops > 0) budget.flops = args.budget_flops;
  budget.write_flops = {std::max(flops.policy.alone, flops.second.alone),
                        std::max(flops.policy.each_before, flops.second.each_before)};
  budget.critic_flops = flops.critic, budget.longest = flops.longest;
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

int64_t learned_by_table(search::Strategy& strategy, const std::vector<core::Item>& items) {
  const base::Json options = base::to_json(strategy.options());
  const base::Json* table = options.find("table");
  if (!table || table->as_string().empty()) return 0;
  const std::vector<std::string> learned = search::read_auto_table(table->as_string()).learned_on;
  return std::ranges::count_if(items, [&](const core::Item& item) {
    if (item.problem.task.empty()) return false;  // --prompt
    const std::string instance = tasks::find_task(item.problem.task).canonical(item.problem);
    return std::ranges::binary_search(learned, search::instance_id(instance));
  });
}

void check_not_learned(search::Strategy& strategy, const std::vector<core::Item>& items) {
  const int64_t learned = learned_by_table(strategy, items);
  if (learned == 0) return;
  throw Error(ErrorCode::kUsage,
              base::cat("the table was learned on instances of ", learned, " of these ", items.size(),
                        " problems, which say nothing of how good it is; learn it on other ones, for example with "
                        "`ponder scaling search --problems task:NAME:dev`, and score it on the test problems"),
              "auto table=");
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

int64_t longest_completion(search::Strategy& strategy) {
  constexpr int64_t kQuestion = 256;  // the words of a question and of the feedback in it
  const base::Json options = base::to_json(strategy.options());
  const base::Json* most = options.find("max_tokens");
  const int64_t answer = most ? most->as_int() : 0;
  bool asks = strategy.name() == "auto" || (options.find("guide") && options.at("guide").as_string() == "p-true");
  for (const char* field : {"feedback_tokens", "plan_tokens", "part_tokens", "eval_tokens"})
    asks |= options.find(field) != nullptr;
  return answer + (asks ? answer + kQuestion : 0);
}

int64_t longest_sequence(const text::ProblemCodec& codec, const std::vector<core::Item>& items,
                         search::Strategy& strategy) {
  size_t prompt = 0;
  for (const core::Item& item : items) prompt = std::max(prompt, codec.prompt(item.problem).size());
  return static_cast<int64_t>(prompt) + longest_completion(strategy);
}

}  // namespace ponder::recipes
