#include "ponder/eval/costs.h"

#include <algorithm>

#include "ponder/base/cat.h"
#include "ponder/eval/text_table.h"
#include "ponder/search/run.h"

namespace ponder::eval {
namespace {

double d(int64_t n) { return static_cast<double>(n); }

std::string short_seconds(double seconds) {
  if (seconds < 0.1) return base::cat(base::fixed(1000 * seconds, 1), " ms");
  return seconds < 10 ? base::cat(base::fixed(seconds, 2), " s") : base::human_seconds(seconds);
}

}  // namespace

Costs& Costs::operator+=(const Costs& o) {
  usage += o.usage, unique += o.unique, discarded += o.discarded, recomputed += o.recomputed;
  flops += o.flops, seconds += o.seconds, problems += o.problems;
  return *this;
}

Costs costs_of(const search::SearchResult& result, double flops, double seconds) {
  return {.usage = result.usage,
          .unique = search::unique_tokens(result),
          .discarded = search::discarded_tokens(result),
          .recomputed = search::recomputed_tokens(result),
          .flops = flops,
          .seconds = seconds,
          .problems = 1};
}

std::string costs_line(const Costs& costs) {
  const core::Usage& usage = costs.usage;
  std::string text = base::cat(usage.generated, " tokens written, ", usage.processed, " processed");
  if (costs.recomputed > 0) text += base::cat(" (", costs.recomputed, " again)");
  text += base::cat(", ", costs.unique, " unique, ");
  if (costs.discarded > 0) text += base::cat(costs.discarded, " discarded, ");
  text += base::cat(usage.read(), " read to judge");
  if (usage.second_processed > 0) text += base::cat(", ", usage.second_processed, " processed by the discriminator");
  if (usage.drafted > 0) text += base::cat(", ", usage.accepted, " of ", usage.drafted, " guesses right");
  return text + base::cat(", ", base::human_count(costs.flops), " FLOPs, ", short_seconds(costs.seconds));
}

std::string costs_table(const Costs& costs, double seconds, int64_t kv_peak_bytes) {
  const core::Usage& usage = costs.usage;
  const bool second = usage.second_processed > 0, guesses = usage.drafted > 0;
  std::vector<std::string> header = {"", "written", "processed", "unique", "discarded", "again", "read to judge"};
  if (second) header.push_back("by the discriminator");
  if (guesses) header.push_back("guesses right");
  header.insert(header.end(), {"FLOPs", "time"});
  TextTable table(header);
  const auto add = [&](const std::string& name, double over, int digits) {
    const auto tokens = [&](int64_t n) { return base::fixed(d(n) / over, digits); };
    std::vector<std::string> row = {name,
                                    tokens(usage.generated),
                                    tokens(usage.processed),
                                    tokens(costs.unique),
                                    tokens(costs.discarded),
                                    tokens(costs.recomputed),
                                    tokens(usage.read())};
    if (second) row.push_back(tokens(usage.second_processed));
    if (guesses) row.push_back(base::cat(tokens(usage.accepted), " of ", tokens(usage.drafted)));
    row.push_back(base::human_count(costs.flops / over)), row.push_back(short_seconds(seconds / over));
    table.add(std::move(row));
  };
  const auto n = static_cast<double>(std::max<int64_t>(1, costs.problems));
  add("tokens a problem", n, 1);
  add(base::cat("all ", costs.problems), 1, 0);
  const double mib = d(kv_peak_bytes) / (1 << 20);
  const std::string rate =
      seconds > 0 ? base::cat(base::human_count(d(usage.generated) / seconds), " tokens/s written, ") : "";
  return base::cat(table.text(), "  ", rate, base::fixed(mib, mib < 10 ? 2 : 0), " MiB of keys and values at most\n");
}

}  // namespace ponder::eval
