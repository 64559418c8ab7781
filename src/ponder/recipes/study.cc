// The runs of a study: its file, its order, what runs have in common.
#include "ponder/recipes/study.h"

#include <algorithm>
#include <charconv>
#include <sstream>

#include "ponder/base/error.h"
#include "ponder/base/file.h"
#include "ponder/base/log.h"
#include "ponder/recipes/run.h"

namespace ponder::recipes {
namespace {

[[noreturn]] void bad(const std::string& path, int line, const std::string& message) {
  throw Error(ErrorCode::kUsage, message, base::cat(path, ":", line));
}

const base::Yaml& need(const base::Yaml& map, const char* key, base::Yaml::Kind kind, const std::string& path) {
  const base::Yaml* found = map.find(key);
  if (!found) bad(path, map.line, base::cat("\"", key, "\" is missing; ", "recipes/laptop-study.yaml shows a study"));
  const base::Yaml wanted{.kind = kind, .scalar = {}, .list = {}, .map = {}};
  if (found->kind != kind)
    bad(path, found->line, base::cat("\"", key, "\" must be ", wanted.kind_name(), ", found ", found->kind_name()));
  return *found;
}

void only_keys(const base::Yaml& map, const std::vector<std::string>& keys, const std::string& path) {
  for (const base::YamlEntry& entry : map.map)
    if (std::ranges::find(keys, entry.key) == keys.end()) {
      std::string valid;
      for (const std::string& key : keys) valid += base::cat(valid.empty() ? "" : ", ", key);
      bad(path, entry.value.key_line, base::cat("unknown key \"", entry.key, "\"; valid here: ", valid));
    }
}

int64_t whole_number(const std::string& text, int line, const std::string& path) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0)
    bad(path, line, base::cat("\"", text, "\" is not a whole number of at least 0"));
  return value;
}

// "main rl majority@1024"
Study::Subject read_subject(const base::Yaml& yaml, const Study& study, const std::string& path) {
  Study::Subject s;
  std::istringstream words(yaml.scalar);
  std::string rest;
  if (!(words >> s.arm >> s.model >> s.strategy) || (words >> rest))
    bad(path, yaml.line,
        base::cat("\"", yaml.scalar, "\" must be ARM MODEL STRATEGY[@BUDGET], as main rl majority@1024"));
  if (const size_t at = s.strategy.find('@'); at != std::string::npos) {
    s.budget = whole_number(s.strategy.substr(at + 1), yaml.line, path);
    s.strategy.resize(at);
  }
  if (std::ranges::find(study.arms, s.arm, &Study::Arm::name) == study.arms.end())
    bad(path, yaml.line, base::cat("there is no arm \"", s.arm, "\" in this study"));
  if (s.model != "sft" && s.model != "rl")
    bad(path, yaml.line, base::cat("model \"", s.model, "\" must be sft (before RL) or rl (after)"));
  return s;
}

bool read_flag(const base::Yaml& yaml, const std::string& path) {
  if (yaml.scalar != "true" && yaml.scalar != "false")
    bad(path, yaml.line, base::cat("\"", yaml.scalar, "\" must be true or false"));
  return yaml.scalar == "true";
}

// Everything that pretrain and sft read.
std::string imitation_options(Recipe recipe) {
  Recipe bare;
  bare.seed = recipe.seed, bare.workers = recipe.workers, bare.device = recipe.device;
  bare.model = recipe.model, bare.init = recipe.init, bare.engine = recipe.engine;
  bare.pretrain = recipe.pretrain, bare.sft = recipe.sft;
  // The greedy answers at the end of sft.
  bare.evaluate = recipe.evaluate, bare.rl.mix = recipe.rl.mix, bare.rl.max_tokens = recipe.rl.max_tokens;
  return base::to_yaml(bare);
}

bool begins_with_imitation(const Recipe& recipe) {
  return recipe.stages.size() >= 2 && recipe.stages[0] == "pretrain" && recipe.stages[1] == "sft";
}

void copy_files(const std::string& from, const std::string& to) {
  base::make_directories(to);
  for (const std::string& name : base::list_directory(from))
    base::write_file_atomic(base::join_path(to, name), base::read_file(base::join_path(from, name)));
}

// Starts `to` with the finished stages pretrain and sft of the run in `from`; aside and renamed, so that a kill leaves
// nothing half copied.
void copy_imitation(const std::string& from, const Recipe& recipe, const std::string& to) {
  const std::string aside = to + ".partial";
  base::remove_all(aside);
  {
    const store::RunDirectory source(from);
    Run run(recipe, aside);
    for (const std::string stage : {"pretrain", "sft"}) {
      base::read_jsonl(source.metrics(), [&](base::Json&& row, int64_t) {
        if (row.at("stage").as_string() == stage) run.write(row, stage, row.at("step").as_int());
      });
      run.sync();
      base::Json left = *source.finished(stage);
      const std::string checkpoint = left.at("checkpoint").as_string();
      copy_files(source.file(checkpoint), run.directory.file(checkpoint));
      const Cost cost = cost_from(left.at("cost"));
      run.directory.ledger().add(stage, cost.seconds, cost.tokens, cost.flops);
      run.directory.finish(stage, std::move(left));
    }
  }
  base::rename_path(aside, to);
}

}  // namespace

bool is_study(const std::string& path) { return base::load_yaml(path).find("study") != nullptr; }

Study load_study(const std::string& path) {
  using Kind = base::Yaml::Kind;
  const base::Yaml yaml = base::load_yaml(path);
  only_keys(yaml, {"study", "base", "seeds", "arms", "compare"}, path);
  Study study;
  study.name = need(yaml, "study", Kind::kScalar, path).scalar;
  study.base = base::join_path(base::parent_path(path), need(yaml, "base", Kind::kScalar, path).scalar);
  for (const base::Yaml& seed : need(yaml, "seeds", Kind::kList, path).list)
    study.seeds.push_back(whole_number(seed.scalar, seed.line, path));
  for (const base::YamlEntry& arm : need(yaml, "arms", Kind::kMap, path).map) {
    Study::Arm& a = study.arms.emplace_back(Study::Arm{arm.key, {}});
    for (const base::Yaml& o : arm.value.list) a.overrides.push_back(o.scalar);
  }
  if (study.seeds.empty() || study.arms.empty()) bad(path, yaml.line, "a study needs at least one seed and one arm");
  if (yaml.find("compare"))
    for (const base::Yaml& c : need(yaml, "compare", Kind::kList, path).list) {
      only_keys(c, {"name", "task", "a", "b", "equal_tokens"}, path);
      study.compare.push_back({need(c, "name", Kind::kScalar, path).scalar, need(c, "task", Kind::kScalar, path).scalar,
                               read_subject(need(c, "a", Kind::kScalar, path), study, path),
                               read_subject(need(c, "b", Kind::kScalar, path), study, path),
                               c.find("equal_tokens") && read_flag(*c.find("equal_tokens"), path)});
    }
  for (const Study::Arm& arm : study.arms) arm_recipe(study, arm, study.seeds.front(), {});  // errors now, not in hours
  return study;
}

Recipe arm_recipe(const Study& study, const Study::Arm& arm, int64_t seed, const std::vector<std::string>& overrides) {
  std::vector<std::string> all = arm.overrides;
  all.push_back(base::cat("seed=", seed));
  all.push_back(base::cat("name=", arm.name, "-", seed));
  all.insert(all.end(), overrides.begin(), overrides.end());
  return load_recipe(study.base, all);
}

void run_study(const Study& study, const std::vector<std::string>& overrides, const std::string& dir) {
  const size_t count = study.seeds.size() * study.arms.size();
  size_t number = 0;
  for (const int64_t seed : study.seeds) {
    const Recipe first = arm_recipe(study, study.arms.front(), seed, overrides);
    const std::string first_dir = base::join_path(dir, first.name);
    for (const Study::Arm& arm : study.arms) {
      const Recipe recipe = arm_recipe(study, arm, seed, overrides);
      const std::string run_dir = base::join_path(dir, recipe.name);
      base::log_info(base::cat("run ", ++number, " of ", count, ": ", run_dir));
      if (run_dir != first_dir && !base::is_directory(run_dir) && begins_with_imitation(first) &&
          begins_with_imitation(recipe) && imitation_options(first) == imitation_options(recipe))
        copy_imitation(first_dir, recipe, run_dir);
      run_recipe(recipe, run_dir);
    }
  }
  base::write_file_atomic(base::join_path(dir, "study.json"), study_json(study, overrides, dir).dump() + "\n");
}

}  // namespace ponder::recipes
