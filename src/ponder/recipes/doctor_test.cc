// A planted fault for every code, and healthy runs that must raise none.
#include "ponder/recipes/doctor.h"
#include "ponder/text/format.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <optional>

#include "ponder/base/file.h"
#include "ponder/base/log.h"
#include "ponder/recipes/audit.h"
#include "ponder/recipes/problems.h"
#include "ponder/recipes/records.h"
#include "ponder/recipes/rl.h"
#include "ponder/recipes/run.h"

namespace ponder::recipes {
namespace {

// 40 steps of an RL stage as a sound run leaves them.
std::vector<eval::RlRow> healthy_rl() {
  std::vector<eval::RlRow> rows;
  base::Rng rng(base::RngKey(5));
  for (int64_t step = 1; step <= 40; ++step) {
    eval::RlRow row;
    row.step = step, row.policy_version = 99 + step;
    row.reward = 0.3 + 0.005 * static_cast<double>(step) + 0.03 * rng.normal();
    row.reward_std = 0.45, row.entropy = 0.16 - 0.001 * static_cast<double>(step), row.loss = 0.01 * rng.normal();
    row.length = 70, row.grad_norm = 0.1 + 0.01 * rng.uniform(), row.logp_gap = 0, row.groups_kept = 0.65;
    row.truncated = 0.05, row.ended = 0.95, row.unparsable = 0.01, row.stale = 0;
    rows.push_back(row);
  }
  return rows;
}

std::vector<eval::TrainRow> healthy_training(const std::string& stage) {
  std::vector<eval::TrainRow> rows;
  base::Rng rng(base::RngKey(6));
  for (int64_t step = 1; step <= 60; ++step) {
    eval::TrainRow row;
    row.stage = stage, row.step = step;
    row.loss = 0.4 + 2 * std::exp(-static_cast<double>(step) / 15) + 0.02 * rng.normal();
    row.grad_norm = 0.5 + 0.1 * rng.uniform();
    if (stage == "critic") row.label_std = 0.4;
    rows.push_back(row);
  }
  return rows;
}

eval::Rows healthy_run() {
  eval::Rows rows;
  for (const char* stage : {"pretrain", "sft", "critic"})
    for (const eval::TrainRow& row : healthy_training(stage)) rows.train.push_back(row);
  rows.rl = healthy_rl();
  rows.data.push_back({"countdown3", 1000, 100, 200, 0, ""});
  return rows;
}

const Finding* find(const std::vector<Finding>& findings, const std::string& code) {
  for (const Finding& f : findings)
    if (f.code == code) return &f;
  return nullptr;
}

std::string codes(const std::vector<Finding>& findings) {
  std::string text;
  for (const Finding& f : findings) text += f.code + " (" + f.message + "; " + f.fix + ")\n";
  return text;
}

TEST(Doctor, AHealthyRunHasNoFindings) {
  EXPECT_TRUE(examine_rows(healthy_run(), Recipe{}).empty()) << codes(examine_rows(healthy_run(), Recipe{}));
  EXPECT_TRUE(examine_rows(eval::Rows{}, Recipe{}).empty());
}

// Rows of older runs lack the newer numbers; what was not measured is no fault.
TEST(Doctor, NumbersThatWereNotMeasuredAreNoFindings) {
  eval::Rows rows = healthy_run();
  for (eval::RlRow& row : rows.rl) {
    row.loss = row.reward_std = row.ended = row.unparsable = row.stale = eval::kNotMeasured;
    row.policy_version = -1;
  }
  EXPECT_TRUE(examine_rows(rows, Recipe{}).empty()) << codes(examine_rows(rows, Recipe{}));
}

struct Fault {
  const char* code;
  bool is_fatal;
  const char* key;  // that the fix names
  std::function<void(eval::Rows&)> plant;
};

std::function<void(eval::Rows&)> in_rl(std::function<void(eval::RlRow&)> change) {
  return [change](eval::Rows& rows) {
    for (eval::RlRow& row : rows.rl)
      if (row.step > 30) change(row);
  };
}

TEST(Doctor, EveryPlantedFaultIsFoundWithANamedFix) {
  const Fault faults[] = {
      {"truncated_completions", false, "rl.max_tokens", in_rl([](auto& r) { r.truncated = 0.6; })},
      {"end_never_written", false, "sft.train.steps", in_rl([](auto& r) { r.ended = 0; })},
      {"end_never_written", true, "rl.max_tokens",
       in_rl([](auto& r) { r.ended = r.reward = r.reward_std = 0, r.truncated = 1; })},
      {"unparsable_answers", false, "rl.reward.format", in_rl([](auto& r) { r.unparsable = 0.3; })},
      {"zero_advantage_groups", false, "rl.group", in_rl([](auto& r) { r.groups_kept = 0.1, r.reward = 0.3; })},
      {"zero_advantage_groups", false, "rl.mix.weights", in_rl([](auto& r) { r.groups_kept = 0.1, r.reward = 0.97; })},
      {"constant_reward", false, "rl.group", in_rl([](auto& r) { r.reward = r.reward_std = 0; })},
      {"logp_gap", false, "device=cpu", [](auto& rows) { rows.rl[35].logp_gap = 0.3; }},
      {"stale_weights", true, "--out", [](auto& rows) { rows.rl.back().stale = 0.5; }},
      {"entropy_collapse", false, "rl.train.lr", in_rl([](auto& r) { r.entropy = 0.005; })},
      {"reward_falling", false, "rl.train.lr", in_rl([](auto& r) { r.reward -= 0.4; })},
      {"loss_not_finite", true, "rl.train.lr", [](auto& rows) { rows.rl.back().grad_norm = NAN; }},
      {"loss_not_finite", true, "critic.train.lr", [](auto& rows) { rows.train.back().loss = INFINITY; }},
      {"gradient_exploding", false, "rl.train.lr", [](auto& rows) { rows.rl.back().grad_norm = 7; }},
      {"loss_not_falling", false, "sft.train.lr",
       [](auto& rows) {
         for (auto& row : rows.train)
           if (row.stage == "sft") row.loss = 2.4;
       }},
      {"labels_all_equal", false, "critic.problems",
       [](auto& rows) {
         for (auto& row : rows.train)
           if (row.stage == "critic") row.label_std = 0;
       }},
      {"train_test_overlap", false, "rl.mix.tasks", [](auto& rows) { rows.data[0].overlap = 3; }},
      {"rows_unreadable", false, "metrics.jsonl",
       [](auto& rows) { rows.unreadable.push_back("metrics.jsonl:7: torn"); }},
  };
  for (const Fault& fault : faults) {
    eval::Rows rows = healthy_run();
    fault.plant(rows);
    const std::vector<Finding> findings = examine_rows(rows, Recipe{});
    const Finding* f = find(findings, fault.code);
    ASSERT_TRUE(f) << fault.code << " was not found, but\n" << codes(findings);
    EXPECT_EQ(f->is_fatal, fault.is_fatal) << fault.code;
    EXPECT_NE(f->fix.find(fault.key), std::string::npos) << fault.code << ": " << f->fix;
    EXPECT_FALSE(f->message.empty());
  }
}

// A fault that has healed is none: what counts is how the run is now.
TEST(Doctor, AnEarlyFaultThatHealedIsNone) {
  eval::Rows rows = healthy_run();
  for (eval::RlRow& row : rows.rl)
    if (row.step < 10) row.truncated = 0.9, row.groups_kept = 0.1;
  EXPECT_TRUE(examine_rows(rows, Recipe{}).empty()) << codes(examine_rows(rows, Recipe{}));
}

class DoctorDirTest : public testing::Test {
 protected:
  void SetUp() override { base::remove_all(dir_), base::make_directories(dir_); }
  void TearDown() override { base::set_quiet(false), base::remove_all(dir_); }
  std::string metrics() const { return base::join_path(dir_, "metrics.jsonl"); }
  const std::string dir_ = base::join_path(testing::TempDir(), "ponder_doctor_test");
};

TEST_F(DoctorDirTest, LiveItWarnsOnceACode) {
  base::write_file_atomic(metrics(), "");
  LiveDoctor doctor(Recipe{}, metrics());
  std::string text;
  for (eval::RlRow row : healthy_rl()) {
    row.truncated = 0.6;
    testing::internal::CaptureStderr();
    doctor.watch(row);
    text += testing::internal::GetCapturedStderr();
    base::write_file_atomic(metrics(), base::read_file(metrics()) + eval::to_json(row).dump() + "\n");
  }
  EXPECT_NE(text.find("rl step 3: "), std::string::npos) << text;
  EXPECT_EQ(text.find("truncated_completions"), text.rfind("truncated_completions")) << text;
}

TEST_F(DoctorDirTest, LiveItStopsAtOnceWhereGoingOnIsSenseless) {
  base::write_file_atomic(metrics(), "");
  LiveDoctor doctor(Recipe{}, metrics());
  const auto expect_stop = [&](auto row, const std::string& says) {
    try {
      doctor.watch(row);
      ADD_FAILURE() << "went on: " << says;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::kUsage);
      EXPECT_NE(std::string(e.what()).find(says), std::string::npos) << e.what();
    }
  };
  eval::RlRow row = healthy_rl()[4];  // a step at which nothing else is looked at
  doctor.watch(row);
  row.stale = 0.1;
  expect_stop(row, "stale_weights");
  eval::TrainRow training = healthy_training("sft")[4];
  training.loss = NAN;
  expect_stop(training, "sft.train.lr");
}

// The whole way: a recipe whose samples have no room to end stops in its third step and says which key to change.
TEST_F(DoctorDirTest, ARunThatCannotEndItsSamplesStops) {
  base::set_quiet(true);
  const Recipe recipe = load_recipe("recipes/micro.yaml",
                                    {"stages=sft,rl", "sft.train.steps=15", "sft.eval_problems=2", "rl.max_tokens=1",
                                     "rl.temperature=0.2", "rl.prompts=10", "rl.eval_problems=2"});
  try {
    run_recipe(recipe, dir_);
    FAIL() << "went on";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kUsage);
    EXPECT_NE(std::string(e.what()).find("rl.max_tokens=2"), std::string::npos) << e.what();
    EXPECT_NE(std::string(e.what()).find("step 3"), std::string::npos) << e.what();
  }
}

// What the doctor says while `work` goes on; the error that ends it is part of that.
template <class Work>
std::string said_during(const Work& work) {
  testing::internal::CaptureStderr();
  std::string error;
  try {
    work();
  } catch (const Error& e) {
    error = e.what();
  }
  return testing::internal::GetCapturedStderr() + error;
}

TEST_F(DoctorDirTest, AGapIsToldAtTheStepThatHasIt) {
  base::write_file_atomic(metrics(), "");
  LiveDoctor doctor(Recipe{}, metrics());
  eval::RlRow row = healthy_rl()[4];  // a step at which nothing else is looked at
  EXPECT_EQ(said_during([&] { doctor.watch(row); }), "");
  row.logp_gap = 0.3;
  EXPECT_NE(said_during([&] { doctor.watch(row); }).find("rl step 5: "), std::string::npos);
  EXPECT_EQ(said_during([&] { doctor.watch(row); }), "") << "told twice";
}

// A stage of one or two steps gets all checks in its last.
TEST_F(DoctorDirTest, AShortStageIsLookedAtInItsLastStep) {
  base::write_file_atomic(metrics(), "");
  Recipe recipe;
  recipe.rl.train.steps = 2;
  LiveDoctor doctor(recipe, metrics());
  eval::RlRow row = healthy_rl()[0];
  row.truncated = 0.6;
  EXPECT_EQ(said_during([&] { doctor.watch(row); }), "");
  row.step = 2;
  EXPECT_NE(said_during([&] { doctor.watch(row); }).find("truncated_completions"), std::string::npos);
}

TEST_F(DoctorDirTest, HeldOutProblemsAreToldBeforeAnythingLearnsFromThem) {
  const tasks::Task& task = tasks::find_task("countdown3");
  const core::Item test = task.generate(base::RngKey(3), tasks::Split::kTest);
  const core::Item train = task.generate(base::RngKey(3), tasks::Split::kTrain);
  const auto prompt = [](const core::Item& item) {
    core::Example example;
    example.tokens = text::render_prompt(text::task_tokenizer(), item.problem);
    example.weights.assign(example.tokens.size(), 1.0f);
    return learn::make_row(example);
  };
  EXPECT_TRUE(held_out_instances({train, train}).empty());
  EXPECT_TRUE(held_out_instances({prompt(train)}).empty());
  const std::string canonical = task.canonical(test.problem);
  EXPECT_EQ(held_out_instances({train, test}), std::vector<std::string>{canonical});
  EXPECT_EQ(held_out_instances({prompt(train), prompt(test)}), std::vector<std::string>{canonical});
  LiveDoctor doctor(Recipe{}, metrics());
  EXPECT_EQ(said_during([&] { doctor.watch_data("sft", 1, {}); }), "");
  const std::string text = said_during([&] { doctor.watch_data("sft", 1, {canonical}); });
  EXPECT_NE(text.find("sft step 1: "), std::string::npos) << text;
  EXPECT_NE(text.find("train_test_overlap"), std::string::npos) << text;
}

// A run behind its sft stage whose RL steps a test takes itself, to put a fault into them.
class RlStepTest : public DoctorDirTest {
 protected:
  void SetUp() override {
    DoctorDirTest::SetUp();
    base::set_quiet(true);
    Recipe recipe = load_recipe("recipes/micro.yaml",
                                {"stages=sft,rl", "sft.eval_problems=2", "rl.train.lr=0.01", "rl.train.steps=100"});
    recipe.stages = {"sft"};
    run_recipe(recipe, dir_);
    run.emplace(recipe, dir_);
    run->before_rl = run->policy.clone();
    base::set_quiet(false);
  }

  // Steps until one has changed the weights.
  void learn_something(learn::Learner& learner, LiveDoctor& doctor) {
    for (; learner.version() == 0 && step < 10; ++step, ++run->policy_version) {
      const StepReport report = take_rl_step(*run, run->policy, learner, doctor, step, {});
      EXPECT_EQ(report.row.at("stale").as_double(), 0);
    }
    ASSERT_GT(learner.version(), 0) << "no step had anything to learn from";
  }

  std::optional<recipes::Run> run;
  int64_t step = 0;
};

TEST_F(RlStepTest, SamplesOfOtherWeightsStopTheRun) {
  learn::Learner learner(run->policy, run->recipe.rl.train.learner, run->workers);
  LiveDoctor doctor(run->recipe, metrics());
  learn_something(learner, doctor);
  const std::string text = said_during([&] { take_rl_step(*run, run->before_rl, learner, doctor, step, {}); });
  EXPECT_NE(text.find("stale_weights"), std::string::npos) << text;
}

// The trainer changes a buffer of its own: the sampler's weights are the policy's, the trainer's are not.
TEST_F(RlStepTest, ATrainerOfOtherWeightsIsToldAtOnce) {
  {
    learn::Learner learner(run->policy, run->recipe.rl.train.learner, run->workers);
    LiveDoctor doctor(run->recipe, metrics());
    learn_something(learner, doctor);
  }
  learn::Learner elsewhere(run->before_rl, run->recipe.rl.train.learner, run->workers);
  LiveDoctor doctor(run->recipe, metrics());
  std::string text;
  for (int i = 0; i < 5; ++i)
    text += said_during([&] { take_rl_step(*run, run->policy, elsewhere, doctor, step++, {}); });
  EXPECT_NE(text.find("logp_gap"), std::string::npos) << text;
}

TEST_F(RlStepTest, TheGapIsMeasuredAtTheTemperatureOfTheSampler) {
  for (const double temperature : {0.5, 1.0, 1.7}) {
    core::SampleParams params;
    params.temperature = temperature, params.max_tokens = 40;
    Groups groups;
    std::vector<core::SampleRequest> requests;
    for (core::Item& item : rl_problems(run->recipe, run->key, 0)) {
      requests.push_back(request_for(run->codec, item.problem, params, run->key.child(requests.size())));
      groups.push_back({std::move(item)});
    }
    const auto sent = requests;
    const auto completions = sample_requests(run->models(run->policy), std::move(requests), 1);
    for (size_t i = 0; i < groups.size(); ++i)
      groups[i].trajectories.push_back(
          {sent[i].prefix, completions[i].tokens, completions[i].logps, 0, completions[i].stop, sent[i].key});
    const auto gap = [&](const model::Parameters& weights, double t) {
      return sampler_gap(weights, groups, t, run->recipe.rl.train.learner, run->workers);
    };
    EXPECT_LT(gap(run->policy, temperature), 1e-3);
    EXPECT_GT(gap(run->policy, temperature * 1.2), 0.01);
    model::Parameters other = run->policy.clone();
    other.flat.mul_(1.1);
    EXPECT_GT(gap(other, temperature), 0.01);
  }
}

core::Group recorded_group(int64_t version, tasks::Split split) {
  core::Group group;
  group.item = tasks::find_task("countdown3").generate(base::RngKey(3), split);
  group.trajectories.push_back({{1, 2}, {3, 101}, {-0.5f, -0.25f}, version, core::StopReason::kStopToken, {}});
  group.verdicts.push_back({core::VerdictKind::kWrong, "3", ""});
  group.reward_parts = {{{"outcome", 0}}}, group.rewards = {0}, group.advantages = {0};
  return group;
}

TEST_F(DoctorDirTest, RecordsAreHeldAgainstRowsAndSplits) {
  eval::Rows rows;
  rows.rl = healthy_rl();
  {
    store::RecordLog log(dir_, kRollouts);
    for (int64_t step = 1; step <= 40; ++step)
      log.append("rl", step, rollout_rows("rl", step, {recorded_group(99 + step, tasks::Split::kTrain)}));
  }
  EXPECT_TRUE(examine_records(dir_, rows, 8).empty()) << codes(examine_records(dir_, rows, 8));
  const auto unheld = examine_records(dir_, eval::Rows{}, 8);  // nothing to hold them against
  ASSERT_EQ(unheld.size(), 1u) << codes(unheld);
  EXPECT_EQ(unheld[0].code, "rows_missing");
  eval::Rows fewer = rows;
  std::erase_if(fewer.rl, [](const eval::RlRow& row) { return row.step == 7 || row.step == 40; });
  const auto rows_missing = examine_records(dir_, fewer, 8);
  ASSERT_TRUE(find(rows_missing, "rows_missing")) << codes(rows_missing);
  EXPECT_EQ(find(rows_missing, "rows_missing")->step, 7);
  EXPECT_EQ(find(rows_missing, "rows_missing")->value, 1);  // step 40 may still be in work
  store::RecordLog(dir_, kRollouts).rewind("rl", 39);
  const auto missing = examine_records(dir_, rows, 8);
  ASSERT_TRUE(find(missing, "records_missing")) << codes(missing);
  EXPECT_EQ(find(missing, "records_missing")->step, 40);
  EXPECT_EQ(find(missing, "records_missing")->value, 1);
  {
    store::RecordLog log(dir_, kRollouts);
    log.rewind("rl", 39);
    log.append("rl", 40, rollout_rows("rl", 40, {recorded_group(137, tasks::Split::kTrain)}));
  }
  const auto stale = examine_records(dir_, rows, 8);
  ASSERT_TRUE(find(stale, "stale_weights")) << codes(stale);
  EXPECT_TRUE(find(stale, "stale_weights")->is_fatal);
  {
    store::RecordLog log(dir_, kRollouts);
    log.rewind("rl", 39);
    log.append("rl", 40, rollout_rows("rl", 40, {recorded_group(139, tasks::Split::kTest)}));
  }
  const auto overlap = examine_records(dir_, rows, 8);
  ASSERT_TRUE(find(overlap, "train_test_overlap")) << codes(overlap);
  const std::string data = base::join_path(dir_, "rollouts.jsonl.zst");
  base::write_file_atomic(data, base::read_file(data).substr(0, 50));
  EXPECT_TRUE(find(examine_records(dir_, rows, 8), "records_unreadable"));
}

TEST(Doctor, LabelDeviation) {
  const auto row = [](std::vector<float> labels) {
    const std::vector<int64_t> positions{1, 3};
    return learn::make_row({1, 2, 3}, positions, labels);
  };
  EXPECT_EQ(label_deviation({}), 0);
  EXPECT_EQ(label_deviation({row({0.5f, 0.5f}), row({0.5f, 0.5f})}), 0);
  EXPECT_DOUBLE_EQ(label_deviation({row({0, 1}), row({1, 0})}), 0.5);
}

}  // namespace
}  // namespace ponder::recipes
