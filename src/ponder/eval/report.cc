#include "ponder/eval/report.h"

#include "ponder/base/error.h"
#include "ponder/base/file.h"
#include "ponder/base/rng.h"
#include "ponder/base/yaml.h"
#include "ponder/eval/page.h"
#include "ponder/eval/web_assets.h"

namespace ponder::eval {
namespace {

using base::Json;

// What a reader without JavaScript gets.
std::string plain_text(const Json& report) {
  std::string out;
  auto add = [&](const Json& text) { out += base::cat("<p>", escape_html(text.as_string()), "</p>"); };
  for (const auto& headline : report.at("headlines").as_array()) add(headline.at("text"));
  for (const auto& sentence : report.at("missing").as_array()) add(sentence);
  for (const auto& sentence : report.at("warnings").as_array()) add(sentence);
  return out;
}

RunConfig load_config(const std::string& path) {
  RunConfig config;
  if (!base::file_exists(path)) return config;
  config.text = base::read_file(path);
  config.config_hash = base::hex64(base::hash64(config.text));
  const base::Yaml yaml = base::parse_yaml(config.text, path);
  const base::Yaml* seed = yaml.find("seed");
  if (seed && !seed->scalar.empty()) config.seed = Json::parse(seed->scalar, base::cat(path, ":", seed->line)).as_int();
  return config;
}

}  // namespace

std::string report_html(const Json& report) {
  return page_html({.title = report.at("name").as_string(),
                    .plain = plain_text(report),
                    .data = report,
                    .style = web::kReportStyle,
                    .script = web::kReportScript});
}

Json make_report(const std::string& run_dir) {
  const Rows rows = read_rows(base::join_path(run_dir, "metrics.jsonl"));
  const std::string config_path = base::join_path(run_dir, "config.yaml");
  Json report = report_json(rows, load_config(config_path));
  if (!base::file_exists(config_path))
    report["missing"].push_back("No config.yaml: seed and configuration are unknown.");
  if (report.at("name").as_string().empty()) report["name"] = base::file_name(run_dir);
  base::write_file_atomic(base::join_path(run_dir, "report.json"), base::cat(report.dump(1), "\n"));
  base::write_file_atomic(base::join_path(run_dir, "report.html"), report_html(report));
  return report;
}

}  // namespace ponder::eval
