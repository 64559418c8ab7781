// A scaling study for the terminal and as a page.
#include "ponder/base/cat.h"
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
    out += table.text() + "\n";
  }
  if (const Json* signals = scaling.find("signals")) out += signals_table(*signals);
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
