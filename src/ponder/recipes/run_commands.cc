// `ponder run`, `ponder report` and `ponder doctor`.
#include <cstdio>

#include "ponder/base/file.h"
#include "ponder/base/log.h"
#include "ponder/eval/report.h"
#include "ponder/recipes/commands.h"
#include "ponder/recipes/doctor.h"
#include "ponder/recipes/plan.h"
#include "ponder/recipes/run.h"
#include "ponder/recipes/study.h"
#include "ponder/recipes/training_files.h"

namespace ponder::recipes {

namespace {

int print_options(Recipe& recipe, bool json) {
  std::printf("%s", json ? (base::fields_json(recipe).dump() + "\n").c_str() : base::fields_help(recipe).c_str());
  return 0;
}

// Of the report that was just written; rows that it had to leave out are named aloud.
int print_report(const std::string& dir, bool json) {
  const eval::Rows rows = eval::read_rows(base::join_path(dir, "metrics.jsonl"));
  for (const std::string& line : rows.unreadable) base::log_warning(base::cat("row left out: ", line));
  if (json) {
    std::printf("%s\n", base::Json::parse(base::read_file(base::join_path(dir, "report.json"))).dump().c_str());
  } else {
    for (const eval::NoteRow& note : rows.note)
      if (note.text.starts_with(kFilesNote)) std::printf("%s\n\n", note.text.c_str());
    std::printf("%s\nreport: %s\n", eval::summary_table(rows).c_str(), base::join_path(dir, "report.html").c_str());
  }
  return 0;
}

int command_study(const RunArgs& args) {
  const Study study = load_study(args.recipe);
  if (args.options || args.dry_run) {
    const Study::Arm& arm = study.arms.front();
    Recipe recipe = arm_recipe(study, arm, study.seeds.front(), args.overrides);
    if (args.options) return print_options(recipe, args.json);
    return print_plan(recipe, base::join_path(args.out.empty() ? "runs" : args.out, recipe.name), args.json);
  }
  const std::string dir = args.out.empty() ? base::join_path("runs", study.name) : args.out;
  run_study(study, args.overrides, dir);
  const base::Json result = base::Json::parse(base::read_file(base::join_path(dir, "study.json")));
  std::printf("%s", args.json ? (result.dump() + "\n").c_str() : study_table(result).c_str());
  return 0;
}

}  // namespace

int command_run(const RunArgs& args) {
  if (is_study(args.recipe)) return command_study(args);
  Recipe recipe = load_recipe(args.recipe, args.overrides);
  if (args.options) return print_options(recipe, args.json);
  const std::string dir = args.out.empty() ? base::join_path("runs", recipe.name) : args.out;
  if (args.dry_run) return print_plan(recipe, dir, args.json);
  check_memory(recipe);
  run_recipe(recipe, dir);
  return print_report(dir, args.json);
}

int command_report(const ReportArgs& args) {
  if (!base::is_directory(args.dir)) throw Error(ErrorCode::kInput, "no such run directory", args.dir);
  eval::make_report(args.dir);
  return print_report(args.dir, args.json);
}

int command_doctor(const DoctorArgs& args) {
  constexpr int64_t kRecordedSteps = 32;  // a look at the records of all steps of a long run would take minutes
  const Recipe recipe = recipe_of_run(args.dir);
  const eval::Rows rows = eval::read_rows(base::join_path(args.dir, "metrics.jsonl"));
  std::vector<Finding> findings = examine_rows(rows, recipe);
  for (Finding& f : examine_records(args.dir, rows, kRecordedSteps)) findings.push_back(std::move(f));
  base::Json list = base::Json::array();
  bool is_fatal = false;
  for (const Finding& f : findings) {
    is_fatal = is_fatal || f.is_fatal;
    base::Json json = base::Json::object();
    json["code"] = f.code, json["severity"] = f.is_fatal ? "stop" : "warning";
    json["stage"] = f.stage, json["step"] = f.step, json["value"] = f.value, json["threshold"] = f.threshold;
    json["message"] = f.message, json["fix"] = f.fix;
    list.push_back(std::move(json));
    if (args.json) continue;
    std::printf("%s %s%s%s: %s\n  fix: %s\n", f.is_fatal ? "stop   " : "warning", f.code.c_str(),
                f.stage.empty() ? "" : " in ", f.stage.c_str(), f.message.c_str(), f.fix.c_str());
  }
  if (args.json) {
    base::Json json = base::Json::object();
    json["findings"] = std::move(list);
    std::printf("%s\n", json.dump().c_str());
  } else if (findings.empty()) {
    std::printf("nothing looks wrong in %zu training steps and %zu RL steps\n", rows.train.size(), rows.rl.size());
  } else {
    std::printf("a changed recipe needs a directory of its own: --out\n");
  }
  return is_fatal ? 1 : 0;
}

}  // namespace ponder::recipes
