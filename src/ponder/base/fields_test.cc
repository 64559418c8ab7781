#include "ponder/base/fields.h"

#include <gtest/gtest.h>

#include <cmath>

#include "ponder/base/error.h"
#include "ponder/base/rng.h"

namespace ponder::base {
namespace {

struct Learning {
  double lr = 1e-4;
  int64_t steps = 80;
  std::string loss = "grpo";
  bool shuffle = true;
  void fields(Fields& f) {
    f.field("lr", lr, {.min = 0, .max = 1, .help = "learning rate"});
    f.field("steps", steps, {.min = 1, .unit = "steps", .help = "gradient steps"});
    f.field("loss", loss, {.help = "which loss", .choices = {"grpo", "dr_grpo", "rloo"}});
    f.field("shuffle", shuffle, {.help = "new order each epoch"});
  }
  bool operator==(const Learning&) const = default;
};

struct Options {
  int64_t seed = 0;
  std::string name = "demo";
  Learning rl;
  std::vector<int64_t> budgets = {64, 128};
  std::vector<double> weights;
  std::vector<std::string> tasks = {"countdown3"};
  void fields(Fields& f) {
    f.field("seed", seed, {.help = "of everything"});
    f.field("name", name, {.help = "of the | run"});
    f.group("rl", rl, "learning");
    f.field("budgets", budgets, {.min = 1, .unit = "tokens", .help = "search budgets"});
    f.field("weights", weights, {.min = 0, .help = "of the mixture"});
    f.field("tasks", tasks, {.help = "task names", .choices = {"countdown3", "countdown4"}});
  }
  bool operator==(const Options&) const = default;
};

Options read(const std::string& text) {
  Options options;
  read_fields(options, parse_yaml(text, "run.yaml"), "run.yaml");
  return options;
}

template <class F>
std::string error_of(F f) {
  try {
    f();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kUsage);
    return e.what();
  }
  return "no error";
}

TEST(Fields, ReadsWhatIsNamedAndKeepsTheRest) {
  const Options o = read("seed: 7\nrl:\n  lr: 3e-5\n  steps: 1e3\n  loss: rloo\n  shuffle: false\nbudgets: [1, 2e2]\n");
  EXPECT_EQ(o.seed, 7);
  EXPECT_EQ(o.rl, (Learning{3e-5, 1000, "rloo", false}));
  EXPECT_EQ(o.budgets, (std::vector<int64_t>{1, 200}));
  EXPECT_EQ(o.name, "demo");
  EXPECT_EQ(read(""), Options());
  EXPECT_EQ(read("rl:\n"), Options());
  EXPECT_EQ(read("name: 12\n").name, "12");
  EXPECT_EQ(read("name: \"\"\n").name, "");
}

TEST(Fields, ErrorsNameTheLineTheKeyAndWhatWouldBeRight) {
  const auto error = [](const std::string& text) { return error_of([&] { read(text); }); };
  EXPECT_EQ(error("seed: 1\nrl:\n  lrr: 1\n"), R"(run.yaml:3: unknown key "lrr" in rl; did you mean "lr"?)");
  EXPECT_EQ(error("sed: 1\n"), R"(run.yaml:1: unknown key "sed"; did you mean "seed"?)");
  EXPECT_EQ(error("rl: {zzzzz: 1}\n"), R"(run.yaml:1: unknown key "zzzzz" in rl; known are lr, steps, loss, shuffle)");
  EXPECT_EQ(error("rl:\n  lr: 3\n"), "run.yaml:2: rl.lr = 3 is out of range; it must be between 0 and 1");
  EXPECT_EQ(error("rl:\n  steps: 0\n"), "run.yaml:2: rl.steps = 0 is out of range; it must be at least 1");
  EXPECT_EQ(error("budgets: [4, 0]\n"), "run.yaml:1: budgets[1] = 0 is out of range; it must be at least 1");
  EXPECT_EQ(
      error("rl: {loss: grppo}\n"),
      R"(run.yaml:1: rl.loss = "grppo" is not a choice; it must be one of grpo, dr_grpo, rloo; did you mean "grpo"?)");
  EXPECT_EQ(error("seed: 1.5\n"), R"(run.yaml:1: seed must be a whole number, found "1.5")");
  EXPECT_EQ(error("seed: \"1\"\n"), R"(run.yaml:1: seed must be a whole number, found the text "1")");
  EXPECT_EQ(error("rl: 3\n"), R"(run.yaml:1: rl must be a map of options, found "3")");
  EXPECT_EQ(error("- 3\n"), "run.yaml:1: the file must be a map of options, found a list");
  EXPECT_EQ(error("budgets: 3\n"), R"(run.yaml:1: budgets must be a list such as [a, b], found "3")");
  EXPECT_EQ(error("name: [a]\n"), "run.yaml:1: name must be text, found a list");
  EXPECT_EQ(error("seed:\n"), "run.yaml:1: seed must be a whole number, found nothing");
}

TEST(Fields, NumbersAreRead) {
  const auto error = [](const std::string& text) { return error_of([&] { read(text); }); };
  for (const char* bad : {"1_000", "0x10", "1e-3", "1e30", "nan", "inf", "1 2", "9223372036854775808", "--1", "yes"})
    EXPECT_NE(error(cat("seed: ", bad, "\n")), "no error") << bad;
  for (const char* bad : {"nan", ".nan", "inf", "-inf", "1e400", "1,5", "0.5x", "true"})
    EXPECT_NE(error(cat("rl: {lr: ", bad, "}\n")), "no error") << bad;
  for (const char* bad : {"yes", "on", "1", "True", "\"true\""})
    EXPECT_NE(error(cat("rl: {shuffle: ", bad, "}\n")), "no error") << bad;
  EXPECT_EQ(read("seed: -9223372036854775808\n").seed, INT64_MIN);
  EXPECT_EQ(read("rl: {lr: 1}\n").rl.lr, 1.0);
}

TEST(Fields, FailureLeavesTheKnobAsItWas) {
  Options o;
  EXPECT_THROW(override_field(o, "budgets=5,0"), Error);
  EXPECT_EQ(o, Options());
}

TEST(Fields, Overrides) {
  Options o;
  override_field(o, "rl.lr=1e-3");
  override_field(o, "budgets=128,256, 512");
  override_field(o, "weights=[0.5,1]");
  override_field(o, "tasks=countdown4");
  override_field(o, "name=a=b c,d");
  EXPECT_EQ(o.rl.lr, 1e-3);
  EXPECT_EQ(o.budgets, (std::vector<int64_t>{128, 256, 512}));
  EXPECT_EQ(o.weights, (std::vector<double>{0.5, 1}));
  EXPECT_EQ(o.tasks, (std::vector<std::string>{"countdown4"}));
  EXPECT_EQ(o.name, "a=b c,d");
  override_field(o, "tasks=");
  EXPECT_TRUE(o.tasks.empty());

  const auto error = [&](const std::string& text) { return error_of([&] { override_field(o, text); }); };
  EXPECT_EQ(error("rl.lrr=1"), R"(command line: unknown key "rl.lrr"; did you mean "rl.lr"?)");
  EXPECT_EQ(error("steps=1"), R"(command line: unknown key "steps"; did you mean "rl.steps"?)");
  EXPECT_EQ(error("rl=1"), "command line: rl is a group of options; set one of rl.lr, rl.steps, rl.loss, rl.shuffle");
  EXPECT_EQ(error("rl.lr"), R"(command line: "rl.lr" sets nothing; write key=value)");
  EXPECT_EQ(error("rl.lr=2"), "command line: rl.lr = 2 is out of range; it must be between 0 and 1");
  EXPECT_EQ(error("rl.lr="), R"(command line: rl.lr must be a finite number, found "")");
}

TEST(Fields, HasField) {
  Options o;
  EXPECT_TRUE(has_field(o, "rl.lr"));
  EXPECT_TRUE(has_field(o, "rl"));
  EXPECT_FALSE(has_field(o, "lr"));
  EXPECT_FALSE(has_field(o, "rl."));
}

TEST(Fields, WritesYamlJsonAndHelp) {
  Options o;
  EXPECT_EQ(to_yaml(o),
            "seed: 0\nname: demo\nrl:\n  lr: 1e-04\n  steps: 80\n  loss: grpo\n  shuffle: true\n"
            "budgets: [64, 128]\nweights: []\ntasks: [countdown3]\n");
  EXPECT_EQ(to_json(o).dump(), R"({"seed":0,"name":"demo","rl":{"lr":1e-04,"steps":80,"loss":"grpo","shuffle":true},)"
                               R"("budgets":[64,128],"weights":[],"tasks":["countdown3"]})");
  const std::string help = fields_help(o);
  EXPECT_NE(help.find("  rl.lr=1e-04       learning rate (number: 0 … 1)\n"), std::string::npos) << help;
  EXPECT_NE(help.find("gradient steps (whole number: 1 …, steps)"), std::string::npos) << help;
  EXPECT_NE(help.find("(text: grpo, dr_grpo, rloo)"), std::string::npos) << help;
  std::string row;
  const Json knobs = fields_json(o);
  for (const Json& knob : knobs.as_array())
    if (knob.string_at("name") == "rl.steps") row = knob.dump();
  EXPECT_EQ(row,
            R"({"name":"rl.steps","default":"80","type":"whole number","range":"1 …, steps","help":"gradient steps"})");
}

TEST(Fields, HashChangesWithAnyKnob) {
  Options a, b;
  EXPECT_EQ(fields_hash(a), fields_hash(b));
  b.rl.shuffle = false;
  EXPECT_NE(fields_hash(a), fields_hash(b));
}

std::string random_text(Rng& rng) {
  static const std::vector<std::string> kPieces = {"a",  "null", "true", "~",  "#",  ": ",   "- ",
                                                   "\"", "'",    "\\",   "\n", "\t", "\x01", " ",
                                                   "é",  "[",    "]",    "{",  "}",  ",",    "1e5",
                                                   "&",  "*",    "!",    "|",  ">",  "%",    "@",
                                                   "`",  "\x7f", "€",    "日", "😀",  "No",   std::string(1, '\0')};
  std::string text;
  for (int64_t n = rng.below(5); n > 0; --n) text += rng.pick(kPieces);
  return text;
}

TEST(Fields, YamlReadsBackExactly) {
  Rng rng(RngKey(1).child("fields"));
  struct Free {
    int64_t i = 0;
    double d = 0;
    std::string s;
    bool b = false;
    std::vector<int64_t> is;
    std::vector<double> ds;
    std::vector<std::string> ss;
    void fields(Fields& f) {
      f.field("i", i, {}), f.field("d", d, {}), f.field("s", s, {}), f.field("b", b, {});
      f.field("is", is, {}), f.field("ds", ds, {}), f.field("ss", ss, {});
    }
    bool operator==(const Free&) const = default;
  };
  struct Outer {
    Free inner;
    Free second;
    void fields(Fields& f) { f.group("inner", inner, ""), f.group("second", second, ""); }
    bool operator==(const Outer&) const = default;
  };
  const auto fill = [&](Free& v) {
    v.i = static_cast<int64_t>(uint64_t{rng.next()} << 32 | rng.next()) >> rng.below(64);
    v.d = rng.normal() * std::pow(10.0, static_cast<double>(rng.between(-300, 300)));
    v.s = random_text(rng);
    v.b = rng.chance(0.5);
    for (int64_t n = rng.below(4); n > 0; --n) {
      v.is.push_back(rng.between(-5, 5));
      v.ds.push_back(static_cast<double>(rng.between(-3, 3)) / 4);
      v.ss.push_back(random_text(rng));
    }
  };
  for (int i = 0; i < 1000; ++i) {
    Outer out, in;
    fill(out.inner);
    fill(out.second);
    const std::string text = to_yaml(out);
    read_fields(in, parse_yaml(text, "t"), "t");
    ASSERT_EQ(in, out) << text;
    ASSERT_EQ(to_yaml(in), text);
  }
}

TEST(NearestName, FindsSlipsAndNothingElse) {
  const std::vector<std::string> valid = {"lr", "steps", "temperature", "top_p"};
  EXPECT_EQ(nearest_name("temprature", valid), "temperature");
  EXPECT_EQ(nearest_name("stesp", valid), "steps");
  EXPECT_EQ(nearest_name("topp", valid), "top_p");
  EXPECT_EQ(nearest_name("banana", valid), "");
  EXPECT_EQ(nearest_name(std::string(100'000, 'x'), valid), "");
  EXPECT_EQ(nearest_name("x", {}), "");
}

}  // namespace
}  // namespace ponder::base
