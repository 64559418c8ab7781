#include "ponder/eval/report.h"

#include "ponder/base/error.h"
#include "ponder/base/file.h"
#include "ponder/base/rng.h"
#include "ponder/base/yaml.h"
#include "ponder/eval/web_assets.h"

namespace ponder::eval {
namespace {

using base::Json;

std::string escape_html(std::string_view text) {
  std::string out;
  for (char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

// JSON inside <script>: no text of a problem or a model may end the element, so "<" never stands there as itself.
std::string json_for_script(const Json& json) {
  std::string out;
  for (char c : json.dump()) {
    if (c == '<') {
      out += "\\u003c";
    } else {
      out += c;
    }
  }
  return out;
}

// What a reader without JavaScript gets.
std::string plain_text(const Json& report) {
  std::string out;
  auto add = [&](const Json& text) { out += base::cat("<p>", escape_html(text.as_string()), "</p>"); };
  for (const auto& headline : report.at("headlines").as_array()) add(headline.at("text"));
  for (const auto& sentence : report.at("missing").as_array()) add(sentence);
  for (const auto& sentence : report.at("warnings").as_array()) add(sentence);
  return out;
}

// One pass from front to back, so that what was filled in is never read as a placeholder.
std::string fill(std::string_view page, const std::vector<std::pair<std::string_view, std::string>>& values) {
  std::string out;
  for (const auto& [placeholder, value] : values) {
    const size_t at = page.find(placeholder);
    PONDER_CHECK(at != std::string_view::npos, "web/report/page.html must hold ", placeholder, " in its place");
    out += page.substr(0, at);
    out += value;
    page.remove_prefix(at + placeholder.size());
  }
  out += page;
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
  const std::string name = escape_html(report.at("name").as_string());
  return fill(web::kPage, {{"{{TITLE}}", base::cat(name, " – ponder")},
                           {"{{STYLE}}", std::string(web::kStyle)},
                           {"{{NAME}}", name},
                           {"{{SENTENCES}}", plain_text(report)},
                           {"{{DATA}}", json_for_script(report)},
                           {"{{SCRIPT}}", std::string(web::kScript)}});
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
