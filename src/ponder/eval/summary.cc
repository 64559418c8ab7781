#include <algorithm>

#include "ponder/base/cat.h"
#include "ponder/eval/headlines.h"
#include "ponder/eval/report.h"
#include "ponder/eval/text_table.h"

namespace ponder::eval {
namespace {

std::string titled(const std::string& title, const TextTable& table) {
  const std::string text = table.text();
  return text.empty() ? "" : base::cat(title, "\n", text, "\n");
}

std::string with_interval(const Estimate& e) { return base::cat(percent(e.value), " ", interval_text(e.ci)); }

std::string ledger_text(const Rows& rows) {
  TextTable table({"stage", "time", "tokens", "FLOPs"});
  LedgerRow all{.stage = "all"};
  for (const auto& row : rows.ledger) {
    table.add({row.stage, base::human_seconds(row.seconds), base::human_count(static_cast<double>(row.tokens)),
               base::human_count(row.flops)});
    all.seconds += row.seconds;
    all.tokens += row.tokens;
    all.flops += row.flops;
  }
  if (rows.ledger.size() > 1) {
    table.add({all.stage, base::human_seconds(all.seconds), base::human_count(static_cast<double>(all.tokens)),
               base::human_count(all.flops)});
  }
  return titled("Cost", table);
}

std::string learning_text(const std::vector<Headline>& headlines) {
  TextTable table({"task", "SFT", "RL", "difference, points", "n", ""});
  for (const auto& h : headlines) {
    if (h.topic != "learning") continue;
    table.add({h.task, with_interval(h.from.accuracy), with_interval(h.to.accuracy),
               base::cat(base::fixed(h.difference.value * 100, 1), " ", interval_text(h.difference.ci)),
               base::cat(h.difference.n), h.clear ? "" : "not clear"});
  }
  return titled("Learning: greedy accuracy on held-out problems, 95% intervals", table);
}

// One that is told right from wrong is no way to search.
std::string search_name(const std::string& strategy) { return strategy == "oracle" ? "oracle (control)" : strategy; }

// A line a strategy: its least and its most tokens. The report has the points between.
std::string search_text(const Rows& rows) {
  TextTable table({"task", "model", "search", "tokens", "accuracy", "tokens", "accuracy", "n"});
  auto tokens = [](const SearchRow& row) { return row.tokens_per_problem + row.critic_tokens_per_problem; };
  for (size_t i = 0; i < rows.search.size(); ++i) {
    const SearchRow &first = rows.search[i], *least = &first, *most = &first;
    auto same_line = [&](const SearchRow& row) {
      return row.task == first.task && row.model == first.model && row.strategy == first.strategy;
    };
    if (std::any_of(rows.search.begin(), rows.search.begin() + static_cast<int64_t>(i), same_line)) continue;
    for (const auto& row : rows.search) {
      if (!same_line(row)) continue;
      if (tokens(row) < tokens(*least)) least = &row;
      if (tokens(row) > tokens(*most)) most = &row;
    }
    table.add({first.task, first.model, search_name(first.strategy), base::fixed(tokens(*least), 0),
               with_interval(least->accuracy), most == least ? "" : base::fixed(tokens(*most), 0),
               most == least ? "" : with_interval(most->accuracy), base::cat(first.accuracy.n)});
  }
  return titled("Search: accuracy at the least and the most test-time tokens a problem (policy and critic)", table);
}

std::string control_text(const Rows& rows) {
  TextTable table({"control", "task", "accuracy", "n"});
  for (const auto& row : rows.control) {
    table.add({row.name, row.task, with_interval(row.accuracy), base::cat(row.accuracy.n)});
  }
  return titled("Controls", table);
}

std::string probe_text(const Rows& rows) {
  TextTable table({"slip", "task", "model", "repaired", "caught", "false alarms", "solved", "without slip", "n"});
  for (const auto& row : rows.probe)
    table.add({base::cat(row.slip, row.shown == "yes" ? " (in SFT)" : ""), row.task, row.model,
               with_interval(row.repaired), percent(row.caught), percent(row.false_alarms), percent(row.solved),
               percent(row.solved_control), base::cat(row.repaired.n)});
  return titled("Self-correction: slips planted in greedy thoughts", table);
}

}  // namespace

std::string summary_table(const Rows& rows) {
  const auto headlines = make_headlines(rows);
  const std::string sentence = summary_sentence(headlines);
  return base::cat(ledger_text(rows), learning_text(headlines), search_text(rows), probe_text(rows), control_text(rows),
                   sentence, sentence.empty() ? "" : "\n");
}

}  // namespace ponder::eval
