#include "ponder/recipes/search_stage.h"

namespace ponder::recipes {

std::vector<search::SearchInput> search_inputs(const text::ProblemCodec& codec, const std::vector<core::Item>& items) {
  std::vector<search::SearchInput> inputs;
  for (const core::Item& item : items) inputs.push_back({item.problem, codec.prompt(item.problem)});
  return inputs;
}

std::vector<search::SearchRow> search_problems(const Models& models, const text::ProblemCodec& codec,
                                               const std::vector<search::SearchInput>& inputs,
                                               const StrategyFactory& make_strategy, core::Budget budget,
                                               base::RngKey key,
                                               const std::function<void(size_t, search::SearchRow&)>& finished) {
  std::vector<search::SearchRow> rows(inputs.size());
  with_ports(models, codec, [&](int engine, int engines, const core::Ports& ports) {
    std::vector<search::SearchInput> share;
    std::vector<size_t> places;
    for (auto i = static_cast<size_t>(engine); i < inputs.size(); i += static_cast<size_t>(engines)) {
      share.push_back(inputs[i]);
      places.push_back(i);
    }
    if (share.empty()) return;
    search::RunOptions options;
    options.budget = budget;
    options.drain_on_stop = false;
    const auto strategy = make_strategy();
    auto mine = search::run_searches(share, *strategy, ports, key, options, [&](size_t i, search::SearchRow& row) {
      if (finished) finished(places[i], row);
    });
    for (size_t i = 0; i < mine.size(); ++i) rows[places[i]] = std::move(mine[i]);
  });
  return rows;
}

}  // namespace ponder::recipes
