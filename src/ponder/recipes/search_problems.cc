#include <atomic>

#include "ponder/recipes/search_stage.h"
#include "ponder/text/format.h"

namespace ponder::recipes {

std::vector<core::Problem> problems_of(const std::vector<core::Item>& items) {
  std::vector<core::Problem> problems;
  for (const core::Item& item : items) problems.push_back(item.problem);
  return problems;
}

std::vector<search::SearchRow> search_problems(const Models& models, const core::Codec& codec,
                                               const std::vector<core::Problem>& problems,
                                               const StrategyFactory& make_strategy, core::Budget budget,
                                               base::RngKey key, const std::function<void(int64_t)>& done) {
  std::vector<search::SearchRow> rows(problems.size());
  std::atomic<int64_t> finished = 0;
  with_ports(models, codec, [&](int worker, const core::Ports& ports) {
    std::vector<search::SearchInput> inputs;
    std::vector<size_t> places;
    for (size_t i = static_cast<size_t>(worker); i < problems.size(); i += static_cast<size_t>(models.workers)) {
      inputs.push_back({problems[i], text::render_prompt(text::task_tokenizer(), problems[i])});
      places.push_back(i);
    }
    if (inputs.empty()) return;
    search::RunOptions options;
    options.budget = budget;
    const auto strategy = make_strategy();
    auto mine = search::run_searches(inputs, *strategy, ports, key, options, [&](size_t, search::SearchRow&) {
      ++finished;
      if (done) done(finished);
    });
    for (size_t i = 0; i < mine.size(); ++i) rows[places[i]] = std::move(mine[i]);
  });
  return rows;
}

}  // namespace ponder::recipes
