#include "ponder/craft/pretrain_text.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "ponder/base/error.h"
#include "ponder/craft/held_out.h"
#include "ponder/tasks/vm.h"
#include "ponder/text/format.h"
#include "ponder/text/steps.h"

namespace ponder::craft {
namespace {

PretrainOptions only(Domain domain) {
  PretrainOptions o;
  double* weights[kDomains] = {&o.equations, &o.checks,   &o.repairs, &o.play,
                               &o.programs,  &o.dialogue, &o.logic,   &o.tables};
  for (int d = 0; d < kDomains; ++d) *weights[d] = d == static_cast<int>(domain);
  return o;
}

std::string words(const core::Tokens& tokens) { return text::task_tokenizer().decode(tokens); }

TEST(PretrainText, DocumentsEndAndDependOnTheirKeyAlone) {
  PretrainOptions options;
  for (int i = 0; i < 500; ++i) {
    base::RngKey key = base::RngKey(1).child(i);
    PretrainDocument document = make_pretrain_document(options, key);
    const auto& tokens = document.text.tokens;
    EXPECT_EQ(std::count(tokens.begin(), tokens.end(), core::Token{text::kEnd}), 1);
    EXPECT_EQ(tokens.back(), text::kEnd);
    EXPECT_EQ(tokens, pretrain_document(options, key));
    ASSERT_EQ(document.text.weights.size(), tokens.size());
    for (size_t t = 0; t < tokens.size(); ++t) {
      bool slip = t + 1 < tokens.size() && tokens[t + 1] == text::kWait;
      EXPECT_EQ(document.text.weights[t], t == 0 || slip ? 0.f : 1.f) << words(tokens);
    }
  }
}

TEST(PretrainText, EveryEquationIsRight) {
  for (int d = 0; d < kDomains; ++d) {
    int64_t equations = 0, corrections = 0;
    for (int i = 0; i < 300; ++i) {
      std::string text = words(pretrain_document(only(static_cast<Domain>(d)), base::RngKey(2).child(i)));
      auto counts = text::count_behaviours(text);
      EXPECT_EQ(counts.wrong_equations, 0) << text;
      equations += counts.equations;
      corrections += counts.corrections;
    }
    bool arithmetic = d < static_cast<int>(Domain::kLogic);
    EXPECT_EQ(equations > 300, arithmetic) << domain_name(static_cast<Domain>(d));
    bool mends = d == static_cast<int>(Domain::kRepairs);
    EXPECT_EQ(corrections > 300, mends) << domain_name(static_cast<Domain>(d));
  }
}

TEST(PretrainText, ChecksSayWhatIsSo) {
  int yes = 0, no = 0, impossible = 0;
  for (int i = 0; i < 300; ++i) {
    std::string text = words(pretrain_document(only(Domain::kChecks), base::RngKey(3).child(i)));
    text.resize(text.rfind(" end"));
    for (const auto& step : text::parse_thought(text)) {
      ASSERT_EQ(step.kind, text::StepKind::kMove) << text;
      EXPECT_EQ(step.result, text::apply_op(step.op, step.a, step.b)) << text;
      impossible += step.result < 0;
      if (!step.checked) continue;
      EXPECT_EQ(step.check_yes, step.check_target == step.result) << text;
      ++(step.check_yes ? yes : no);
    }
  }
  EXPECT_GT(yes, 300);
  EXPECT_GT(no, 300);
  EXPECT_GT(impossible, 100);
}

TEST(PretrainText, NoHeldOutInstanceLeaks) {
  PretrainOptions options;
  options.play = 2;
  options.repairs = 1;
  for (int i = 0; i < 8000; ++i) {
    core::Tokens tokens = pretrain_document(options, base::RngKey(4).child(i));
    ASSERT_EQ(leaked_instances(tokens), std::vector<std::string>{}) << words(tokens);
  }
}

TEST(PretrainText, DialoguesShowEveryBehaviour) {
  text::BehaviourCounts total;
  for (int i = 0; i < 400; ++i) {
    auto n = text::count_behaviours(words(pretrain_document(only(Domain::kDialogue), base::RngKey(5).child(i))));
    total.analysis += n.analysis, total.tries += n.tries, total.backs += n.backs, total.checks += n.checks;
    total.tests += n.tests, total.corrections += n.corrections, total.gave_up += n.gave_up,
        total.answered += n.answered;
    EXPECT_EQ(n.gave_up + n.answered, 1);
  }
  EXPECT_EQ(total.analysis, 400);
  for (int64_t count : {total.backs, total.tests, total.corrections, total.gave_up}) EXPECT_GT(count, 20);
  EXPECT_GT(total.tries, 400);
  EXPECT_GT(total.answered, 200);
}

// An independent reader of the boolean lines: "[not] v and|or [not] v = r".
TEST(PretrainText, LogicIsTrue) {
  int lines = 0;
  for (int i = 0; i < 400; ++i) {
    auto text = words(pretrain_document(only(Domain::kLogic), base::RngKey(6).child(i)));
    std::map<std::string_view, bool> facts{{"yes", true}, {"no", false}};
    auto w = text::split_words(text);
    auto condition = [&](size_t& at) {
      bool value[2];
      std::string_view op;
      for (bool& v : value) {
        bool negated = w[at] == "not";
        v = facts.at(w[at + negated]) != negated;
        at += 1 + negated;
        if (&v == &value[0]) op = w[at++];
      }
      return op == "and" ? value[0] && value[1] : value[0] || value[1];
    };
    for (size_t at = 0; w[at] != "end"; at += w[at] == ";") {
      if (w[at] == "if") {
        bool value = condition(++at);
        facts[w[at + 1]] = value;
        at += 2;
      } else if (w[at] == "get") {
        EXPECT_EQ(facts.at(w[at + 1]), w[at + 3] == "yes") << text;
        at += 4;
      } else if (w[at + 1] == "=" && !facts.contains(w[at])) {
        facts[w[at]] = w[at + 2] == "yes";
        at += 3;
      } else if (w[at + 1] == "=") {  // the conclusion of a rule
        EXPECT_EQ(facts.at(w[at]), w[at + 2] == "yes") << text;
        at += 3;
        ++lines;
      } else {
        bool value = condition(at);
        EXPECT_EQ(value, w[at + 1] == "yes") << text;
        at += 2;
        ++lines;
      }
    }
  }
  EXPECT_GT(lines, 1000);
}

TEST(PretrainText, TablesAreTrue) {
  int sorts = 0, extremes = 0;
  for (int i = 0; i < 400; ++i) {
    auto text = words(pretrain_document(only(Domain::kTables), base::RngKey(7).child(i)));
    std::map<std::string_view, int> table;
    std::vector<int> values;
    auto w = text::split_words(text);
    auto number = [](std::string_view s) { return std::stoi(std::string(s)); };
    for (size_t at = 0; w[at] != "end";) {
      if (w[at] == "get") {
        EXPECT_EQ(table.at(w[at + 1]), number(w[at + 3])) << text;
      } else if (w[at] == "max") {
        EXPECT_EQ(number(w[at + 2]), *std::max_element(values.begin(), values.end())) << text;
        ++extremes;
      } else if (w[at] == "min") {
        EXPECT_EQ(number(w[at + 2]), *std::min_element(values.begin(), values.end())) << text;
      } else if (w[at] == "sort") {
        std::sort(values.begin(), values.end());
        for (size_t k = 0; k < values.size(); ++k) EXPECT_EQ(number(w[at + values.size() + 2 + k]), values[k]) << text;
        ++sorts;
      } else if (w[at + 1] == "=") {
        values.push_back(table[w[at]] = number(w[at + 2]));
      } else {
        int a = table.at(w[at]), b = table.at(w[at + 2]);
        EXPECT_EQ(w[at + 1] == ">" ? a > b : a < b, w[at + 3] == "yes") << text;
      }
      while (w[at] != ";" && w[at] != "end") ++at;
      at += w[at] == ";";
    }
  }
  EXPECT_GT(sorts, 100);
  EXPECT_GT(extremes, 100);
}

TEST(PretrainText, ProgramsRunAsTheySay) {
  for (const char* style : {"traces", "results"}) {
    PretrainOptions options = only(Domain::kPrograms);
    options.program_style = style;
    for (int i = 0; i < 200; ++i) {
      core::Tokens t = pretrain_document(options, base::RngKey(8).child(i));
      tasks::Program program;
      size_t at = 1;
      for (; t[at] != text::kColon; at += 2) program.push_back({t[at], t[at + 1]});
      int outputs = 0, equations = 0;
      for (; at < t.size(); ++at) {
        equations += t[at] == text::kEquals;
        if (t[at] != text::kGreater) continue;
        EXPECT_EQ(tasks::run_program(program, t[at - 1]), t[at + 1]) << words(t);
        ++outputs;
      }
      EXPECT_EQ(outputs, 2);
      EXPECT_EQ(equations, style == std::string("traces") ? 2 * static_cast<int>(program.size()) : 0);
    }
  }
  PretrainOptions traces = only(Domain::kPrograms), shuffled = traces;
  shuffled.program_style = "shuffled";
  core::Tokens a = pretrain_document(traces, base::RngKey(9)), b = pretrain_document(shuffled, base::RngKey(9));
  EXPECT_NE(a, b);
  std::sort(a.begin(), a.end());
  std::sort(b.begin(), b.end());
  EXPECT_EQ(a, b);
}

TEST(PretrainText, ManifestFollowsTheWeights) {
  PretrainManifest manifest;
  PretrainOptions options;
  int64_t tokens = 0;
  for (int i = 0; i < 5000; ++i) {
    PretrainDocument document = make_pretrain_document(options, base::RngKey(10).child(i));
    tokens += static_cast<int64_t>(document.text.tokens.size());
    manifest.add(document);
  }
  base::Json json = manifest.to_json();
  int64_t sum = 0;
  for (const auto& [name, row] : json.as_object()) sum += row.at("tokens").as_int();
  EXPECT_EQ(sum, tokens);
  EXPECT_NEAR(json.at("dialogue").at("documents").as_int() / 5000.0, options.dialogue, 0.03);
  EXPECT_NEAR(json.at("logic").at("documents").as_int() / 5000.0, options.logic, 0.02);
  PretrainOptions none = only(Domain::kLogic);
  none.logic = 0;
  EXPECT_THROW(pretrain_document(none, base::RngKey(1)), Error);
}

}  // namespace
}  // namespace ponder::craft
