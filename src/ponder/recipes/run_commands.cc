// `ponder run` and `ponder report`.
#include <cstdio>

#include "ponder/base/file.h"
#include "ponder/eval/report.h"
#include "ponder/recipes/commands.h"
#include "ponder/recipes/run.h"

namespace ponder::recipes {

int command_run(const RunArgs& args) {
  Recipe recipe = load_recipe(args.recipe, args.overrides);
  if (args.options) {
    std::printf("%s", base::fields_help(recipe).c_str());
    return 0;
  }
  const std::string dir = args.out.empty() ? base::join_path("runs", recipe.name) : args.out;
  run_recipe(recipe, dir);
  if (args.json) {
    std::printf("%s\n", base::read_file(base::join_path(dir, "report.json")).c_str());
    return 0;
  }
  std::printf("%s\nreport: %s\n", eval::summary_table(eval::read_rows(base::join_path(dir, "metrics.jsonl"))).c_str(),
              base::join_path(dir, "report.html").c_str());
  return 0;
}

int command_report(const ReportArgs& args) {
  if (!base::is_directory(args.dir)) throw Error(ErrorCode::kInput, "no such run directory", args.dir);
  const base::Json report = eval::make_report(args.dir);
  if (args.json) {
    std::printf("%s\n", report.dump().c_str());
    return 0;
  }
  std::printf("%s\nreport: %s\n",
              eval::summary_table(eval::read_rows(base::join_path(args.dir, "metrics.jsonl"))).c_str(),
              base::join_path(args.dir, "report.html").c_str());
  return 0;
}

}  // namespace ponder::recipes
