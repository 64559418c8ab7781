#include "ponder/search/run.h"

#include <algorithm>
#include <memory>

#include "ponder/base/clock.h"
#include "ponder/base/stop.h"

namespace ponder::search {
namespace {

struct Live {
  size_t index;
  std::unique_ptr<Search> search;
  core::Task<NodeId> task;
  base::Stopwatch watch;
};

SearchRow collect(Live& live) {
  SearchRow row;
  try {
    row.result = live.search->take_result(live.task.take());
  } catch (const Error& e) {
    if (e.code() == ErrorCode::kUsage) throw;
    row.error = e.what();
  } catch (const std::exception& e) {
    row.error = e.what();
  }
  row.seconds = live.watch.seconds();
  return row;
}

// One round of the models; the critic first, because its answers set policy rows free for the next batch. Both writers
// at once: neither waits until the other has nothing to do.
bool advance(const core::Ports& ports) {
  if (ports.critic && ports.critic->advance()) return true;
  const bool first = ports.policy->advance(), second = ports.second && ports.second->advance();
  return first || second;
}

// Before the searches are dropped: answers in flight go to memory that dies with them.
void drain(const core::Ports& ports) {
  while (advance(ports)) {
  }
}

}  // namespace

std::vector<SearchRow> run_searches(const std::vector<SearchInput>& inputs, const Strategy& strategy,
                                    const core::Ports& ports, base::RngKey key, const RunOptions& options,
                                    const std::function<void(size_t, SearchRow&)>& finished) {
  core::ReadyQueue ready;
  core::Ports own = ports;
  own.ready = &ready;
  std::vector<SearchRow> rows(inputs.size());
  std::vector<Live> live;
  size_t next = 0;
  while (next < inputs.size() || !live.empty()) {
    if (base::stop_requested()) {
      if (options.drain_on_stop) drain(own);
      throw Error(ErrorCode::kStopped,
                  base::cat("stopped by the user; ", next - live.size(), " of ", inputs.size(), " searches are done"));
    }
    // 1. Fill up.
    while (next < inputs.size() && live.size() < static_cast<size_t>(options.max_live)) {
      const SearchInput& input = inputs[next];
      auto search =
          std::make_unique<Search>(input.problem, input.prompt, own, options.budget, key.child(input.problem.id));
      auto task = strategy.run(*search);
      task.start();
      live.push_back({next++, std::move(search), std::move(task), {}});
    }
    // 2. Resume what has its answers.
    while (ready.resume_one()) {
    }
    // 3. Collect what is done, and fill up again before the next batch.
    const size_t waiting = live.size();
    for (size_t i = live.size(); i-- > 0;) {
      if (!live[i].task.done()) continue;
      Live done = std::move(live[i]);
      live.erase(live.begin() + static_cast<std::ptrdiff_t>(i));
      try {
        rows[done.index] = collect(done);
      } catch (const Error&) {
        drain(own);
        throw;
      }
      if (finished) finished(done.index, rows[done.index]);
    }
    if (live.size() < waiting) continue;
    // 4. One batch.
    PONDER_CHECK(advance(own), live.size(), " searches wait and no port has anything to do");
  }
  return rows;
}

int64_t unique_tokens(const SearchResult& result) {
  const int64_t prompt = result.prompts.empty() ? 0 : static_cast<int64_t>(result.prompts[0].size());
  return prompt + result.usage.asked + result.tree.token_count();
}

int64_t discarded_tokens(const SearchResult& result) { return result.usage.generated - result.tree.token_count(); }

int64_t needed_tokens(const SearchResult& result) { return unique_tokens(result) + discarded_tokens(result); }

int64_t recomputed_tokens(const SearchResult& result) {
  const core::Usage& usage = result.usage;
  const int64_t wrong_guesses = usage.drafted - usage.accepted;
  return std::max<int64_t>(0, usage.processed + usage.second_processed - wrong_guesses - needed_tokens(result));
}

std::vector<int64_t> revised_candidates(const SearchResult& result) {
  std::vector<int64_t> revised;
  for (const Candidate& c : result.candidates) {
    const Node& node = result.tree[c.node];
    // What starts behind a prompt of its own and below an answer is that answer written anew; below the root or a reply
    // it is a first one.
    revised.push_back(node.starts ? result.tree[node.parent].candidate : -1);
  }
  return revised;
}

base::Json search_json(const Strategy& strategy, const SearchResult& result) {
  base::Json::Array candidates;
  const std::vector<int64_t> revised = revised_candidates(result);
  for (size_t i = 0; i < result.candidates.size(); ++i) {
    const Candidate& c = result.candidates[i];
    base::Json row = base::Json::object();
    row["answer"] = c.answer ? base::Json(*c.answer) : base::Json();
    row["score"] = c.score;
    row["tokens"] = static_cast<int64_t>(c.tokens.size());
    row["cost"] = c.usage.generated + c.usage.read();
    if (revised[i] >= 0) row["revises"] = revised[i];
    if (c.cut) row["cut"] = true;
    candidates.push_back(std::move(row));
  }
  base::Json json = base::Json::object();
  json["strategy"] = strategy.name();
  json["score"] = result.score;
  json["nodes"] = result.usage.nodes;
  json["candidates"] = std::move(candidates);
  return json;
}

}  // namespace ponder::search
