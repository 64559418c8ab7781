// A run's report, made from what the run left on disk and nothing else: report.json for scripts and one report.html
// that opens anywhere, without a network or a server. `ponder run` calls it at the end, `ponder report` again at any
// time.
#pragma once
#include <string>

#include "ponder/base/json.h"
#include "ponder/eval/rows.h"

namespace ponder::eval {

// What config.yaml says; the report quotes it.
struct RunConfig {
  std::string text;  // the whole resolved file
  int64_t seed = 0;
  std::string config_hash;  // hex64(hash64(text)), used where no "run" row names one
};

// Reads DIR/config.yaml and DIR/metrics.jsonl, writes DIR/report.json and DIR/report.html, and returns what report.json
// holds. A run that was stopped early gets a report too: "missing" says what it lacks. Error(kInput) when DIR has no
// metrics.jsonl.
base::Json make_report(const std::string& run_dir);

// The parts of it.
base::Json report_json(const Rows& rows, const RunConfig& config);
std::string report_html(const base::Json& report);

// Stages, curves, controls as text, for the terminal.
std::string summary_table(const Rows& rows);

}  // namespace ponder::eval
