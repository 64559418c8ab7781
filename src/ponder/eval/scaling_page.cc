// A scaling study for the terminal and as a page.
#include <functional>

#include "ponder/base/cat.h"
#include "ponder/eval/flips.h"
#include "ponder/eval/headlines.h"
#include "ponder/eval/page.h"
#include "ponder/eval/scaling.h"
#include "ponder/eval/text_table.h"
#include "ponder/eval/web_assets.h"

namespace ponder::eval {

using base::Json;

namespace {

// A line a signal; "" where there is none.
std::string signals_table(const Json& signals) {
  TextTable table({"signal", "answers", "AUROC", "within a problem", "wrong at 50%", "at 100%", "AURC"});
  for (const Json& s : signals.as_array()) {
    const auto auroc = [&](const char* value, const char* low, const char* high) {
      const auto text = [&](const char* field) { return base::fixed(s.at(field).as_double(), 2); };
      return s.at(value).is_null() ? "-" : base::cat(text(value), " [", text(low), ", ", text(high), "]");
    };
    const std::string& of = s.at("of").as_string();
    const Json::Array& risks = s.at("risk_coverage").as_array();
    table.add({base::cat(s.at("name").as_string(), of == "samples" ? "" : base::cat(" of ", of)),
               base::cat(s.at("n").as_int()), auroc("auroc", "low", "high"),
               auroc("auroc_within", "within_low", "within_high"),
               percent(risks[risks.size() / 2 - 1].at("risk").as_double()), percent(s.at("error").as_double()),
               percent(s.at("aurc").as_double())});
  }
  const std::string text = table.text();
  return text.empty() ? "" : text + "\n";
}

// The mix against each single signal, and what signals have lost out of distribution; "" where there is neither.
std::string mix_table(const Json& scaling) {
  const Json* mix = scaling.find("mix");
  if (!mix || !mix->find("against")) return "";
  TextTable table({base::cat(mix->at("signal").at("name").as_string(), " against"), "within a problem", "difference",
                   "right by it", "difference in points"});
  for (const Json& one : mix->at("against").as_array()) {
    const auto number = [&](const char* field, double times, int digits) {
      return base::fixed(times * one.at(field).as_double(), digits);
    };
    table.add({one.at("name").as_string(), number("auroc_within", 1, 2),
               base::cat(number("difference", 1, 2), " [", number("low", 1, 2), ", ", number("high", 1, 2), "]"),
               percent(one.at("accuracy").as_double()),
               base::cat(number("accuracy_difference", 100, 1), " [", number("accuracy_low", 100, 1), ", ",
                         number("accuracy_high", 100, 1), "]")});
  }
  return table.text() + "\n";
}

std::string drops_table(const Json& scaling) {
  const Json* shift = scaling.find("shift");
  if (!shift || !shift->find("drops")) return "";
  TextTable table({base::cat("AUROC within a problem, on ", shift->at("task").as_string()), "here", "there", "drop"});
  for (const Json& row : shift->at("drops").as_array()) {
    const Json& of = row.at("auroc_within");
    const auto number = [&](const char* field) { return base::fixed(of.at(field).as_double(), 2); };
    if (of.is_null())
      table.add({row.at("name").as_string(), "-", "-", "-"});
    else
      table.add({row.at("name").as_string(), number("home"), number("away"),
                 base::cat(number("drop"), " [", number("low"), ", ", number("high"), "]")});
  }
  return table.text() + "\n";
}

// What the searches with the largest budget cost: a line a strategy.
std::string spent_table(const Json& scaling) {
  const int64_t budget = scaling.at("budgets").as_array().back().as_int();
  TextTable table({base::cat("spent of ", budget, " tokens"), "written", "read to judge", "processed", "unique",
                   "discarded", "again", "FLOPs", "seconds", "MiB of keys, values"});
  for (const Json& point : scaling.at("curves").as_array()) {
    if (point.at("budget").as_int() != budget) continue;
    const auto text = [&](const char* field, const std::function<std::string(double)>& format) {
      const Json& value = point.at(field);
      return value.is_null() ? "-" : format(value.as_double());
    };
    const auto tokens = [&](const char* field) { return text(field, [](double v) { return base::fixed(v, 0); }); };
    table.add({point.at("strategy").as_string(), tokens("tokens_per_problem"), tokens("critic_tokens_per_problem"),
               tokens("tokens_processed_per_problem"), tokens("tokens_unique_per_problem"),
               tokens("tokens_discarded_per_problem"), tokens("tokens_recomputed_per_problem"),
               text("flops_per_problem", base::human_count),
               text("seconds_per_problem", [](double v) { return base::fixed(v, 3); }),
               text("kv_peak_bytes", [](double v) { return base::fixed(v / (1 << 20), 1); })});
  }
  return base::cat(
      table.text(),
      "  Means a problem; seconds: what all problems took together, divided by their number. -: read off a "
      "larger search or the shared samples, so it is not known.\n\n");
}

// Of each search that revises answers, with the largest budget that it had.
std::string all_flips(const Json& scaling) {
  std::string out;
  const int64_t budget = scaling.at("budgets").as_array().back().as_int();
  for (const Json& point : scaling.at("curves").as_array())
    if (const Json* rounds = point.find("flips"); rounds && point.at("budget").as_int() == budget)
      out += base::cat(point.at("strategy").as_string(), ", ", budget, " tokens\n", flips_table(*rounds), "\n");
  return out;
}

}  // namespace

// A line a strategy, a column a budget.
std::string scaling_table(const Json& scaling) {
  std::string out = base::cat(scaling.at("task").as_string(), ", ", scaling.at("n").as_int(), " problems, ",
                              scaling.at("model").as_string(), "\n\n");
  if (const Json* curves = scaling.find("curves")) {
    std::vector<std::string> header{"accuracy at"};
    for (const Json& budget : scaling.at("budgets").as_array()) header.push_back(base::cat(budget.as_int(), " tokens"));
    TextTable table(header);
    std::vector<std::string> line;
    for (const Json& point : curves->as_array()) {
      const std::string& name = point.at("strategy").as_string();
      if (!line.empty() && line.size() == header.size()) table.add(std::exchange(line, {}));
      if (line.empty()) line.push_back(name);
      line.push_back(base::cat(percent(point.at("accuracy").as_double()), " ",
                               interval_text({point.at("ci_lo").as_double(), point.at("ci_hi").as_double()})));
    }
    if (line.size() == header.size()) table.add(line);
    out += base::cat(table.text(), "\n", spent_table(scaling), all_flips(scaling));
  }
  if (const Json* signals = scaling.find("signals"))
    out += signals_table(*signals) + mix_table(scaling) + drops_table(scaling);
  for (const Json& sentence : scaling.at("sentences").as_array()) out += sentence.as_string() + "\n";
  return out;
}

std::string scaling_html(const Json& scaling) {
  std::string plain;
  for (const Json& sentence : scaling.at("sentences").as_array())
    plain += base::cat("<p>", escape_html(sentence.as_string()), "</p>");
  return page_html({.title = base::cat("Scaling of search, ", scaling.at("task").as_string()),
                    .plain = plain,
                    .data = scaling,
                    .style = web::kScalingStyle,
                    .script = web::kScalingScript});
}

}  // namespace ponder::eval
