#include "ponder/craft/solutions.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "ponder/base/file.h"
#include "ponder/base/json.h"
#include "ponder/tasks/dataset.h"
#include "ponder/text/format.h"
#include "ponder/text/open_tokenizer.h"

namespace ponder::craft {
namespace {

TEST(Solutions, ThePromptIsReadAndTheSolutionLearned) {
  const text::TaskCodec codec(text::task_tokenizer());
  core::Problem problem;
  problem.question = "Q 13 8 2 > 10";
  const std::string solution = "13 - 8 = 5 ; ans 5 end";
  const core::Example example = solution_example(codec, problem, solution);
  const size_t prompt = codec.prompt(problem).size();
  ASSERT_EQ(example.weights.size(), example.tokens.size());
  EXPECT_EQ(codec.decode(example.tokens), problem.question + " " + solution);
  for (size_t i = 0; i < example.weights.size(); ++i) EXPECT_EQ(example.weights[i], i < prompt ? 0.0f : 1.0f) << i;
}

// A directory with the tokenizer of a fixture.
std::unique_ptr<text::Tokenizer> fixture(const std::string& name) {
  const std::string from = base::cat("tests/data/tokenizers/", name, ".json");
  const std::string dir = base::join_path(testing::TempDir(), "practice_" + name);
  base::make_directories(dir);
  base::write_file_atomic(base::join_path(dir, "tokenizer.json"),
                          base::Json::parse(base::read_file(from), from).at("tokenizer").dump());
  return text::open_tokenizer(dir);
}

// Of a tokenizer that puts a space before every text, too.
TEST(Practice, OnlyResultsAreLearned) {
  for (const char* name : {"gpt2", "llama2"}) {
    const auto tokenizer = fixture(name);
    for (uint64_t key = 0; key < 20; ++key) {
      const core::Example sheet = practice_sheet(*tokenizer, base::RngKey(key), 5);
      ASSERT_EQ(sheet.tokens.size(), sheet.weights.size());
      EXPECT_EQ(sheet.weights[0], 0.0f);
      const std::string text = tokenizer->decode(sheet.tokens, /*skip_special=*/true);
      EXPECT_EQ(tokenizer->encode(text), sheet.tokens) << text;
      std::string learned;
      int64_t lines = 0;
      for (size_t begin = 0, end; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1, ++lines) {
        const std::string line = text.substr(begin, end - begin);
        const auto equations = tasks::equations_of(line);
        ASSERT_EQ(equations.size(), 1u) << line;
        EXPECT_TRUE(equations[0].holds) << line;
        learned += line.substr(line.find('=') + 1) + "\n";
      }
      EXPECT_EQ(lines, 5);
      core::Tokens ids;
      for (size_t i = 0; i < sheet.tokens.size(); ++i)
        if (sheet.weights[i] != 0) ids.push_back(sheet.tokens[i]);
      std::string found = tokenizer->decode(ids);
      EXPECT_EQ(found, learned.substr(learned.size() - found.size())) << text;  // a decoder may drop a first space
      EXPECT_GE(found.size() + 1, learned.size());
    }
    EXPECT_EQ(practice_sheet(*tokenizer, base::RngKey(3), 5).tokens,
              practice_sheet(*tokenizer, base::RngKey(3), 5).tokens);
    EXPECT_NE(practice_sheet(*tokenizer, base::RngKey(3), 5).tokens,
              practice_sheet(*tokenizer, base::RngKey(4), 5).tokens);
  }
}

// Nor the same two numbers in the other order or with another sign.
TEST(Practice, ShowsNothingThatIsHeldOut) {
  const auto tokenizer = fixture("gpt2");
  std::set<std::pair<std::string, std::string>> held_out;
  const auto& data = tasks::find_dataset_task("arithmetic").dataset();
  const auto numbers = [](const std::string& sum) {
    const size_t space = sum.find(' ');
    const std::string a = sum.substr(0, space), b = sum.substr(space + 3);
    return a < b ? std::pair(a, b) : std::pair(b, a);
  };
  for (const auto* items : {&data.dev, &data.test})
    for (const core::Item& item : *items) held_out.insert(numbers(item.gold.string_at("equation")));
  ASSERT_GT(held_out.size(), 300u);
  const std::string text =
      tokenizer->decode(practice_sheet(*tokenizer, base::RngKey(1), 3000).tokens, /*skip_special=*/true);
  int64_t sums = 0;
  for (size_t begin = 0, end; (end = text.find(" =", begin)) != std::string::npos; begin = text.find('\n', end) + 1) {
    EXPECT_FALSE(held_out.contains(numbers(text.substr(begin, end - begin)))) << text.substr(begin, end - begin);
    ++sums;
  }
  EXPECT_EQ(sums, 3000);
}

}  // namespace
}  // namespace ponder::craft
