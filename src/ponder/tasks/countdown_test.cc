#include "ponder/tasks/countdown.h"
#include "ponder/tasks/problem_judge.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "ponder/base/error.h"
#include "ponder/tasks/answer.h"
#include "ponder/text/format.h"

namespace ponder::tasks {
namespace {

using core::VerdictKind;

core::Item problem(std::vector<int> numbers, int target) {
  base::Json row;
  row["numbers"] = base::Json::list(numbers);
  row["target"] = target;
  return find_task(base::cat("countdown", numbers.size())).parse(row, "p");
}

VerdictKind verdict(const core::Item& item, const std::string& answer) {
  return find_task(item.problem.task).verify(item, answer).kind;
}

// Another way to the reachable values: expression trees over the splits of every subset, no paths and no move lists.
std::set<int> reachable(const std::vector<int>& numbers, unsigned subset, std::map<unsigned, std::set<int>>& memo) {
  if (auto it = memo.find(subset); it != memo.end()) return it->second;
  std::set<int> values;
  for (size_t i = 0; i < numbers.size(); ++i)
    if (subset == 1u << i) values.insert(numbers[i]);
  for (unsigned part = (subset - 1) & subset; part > 0; part = (part - 1) & subset)
    for (int a : reachable(numbers, part, memo))
      for (int b : reachable(numbers, subset ^ part, memo))
        for (int r : {a + b, a - b, a * b})
          if (r >= 0 && r <= 99) values.insert(r);
  return memo[subset] = values;
}

TEST(Countdown, OracleAgreesWithExpressionTrees) {
  base::Rng rng(base::RngKey(1));
  int solvable = 0, unsolvable = 0;
  for (int round = 0; round < 60; ++round)
    for (int count : {3, 4, 5}) {
      if (count == 5 && round >= 12) continue;
      std::vector<int> numbers;
      for (int i = 0; i < count; ++i) numbers.push_back(static_cast<int>(rng.between(1, round % 2 ? 13 : 99)));
      std::map<unsigned, std::set<int>> memo;
      std::set<int> values = reachable(numbers, (1u << count) - 1, memo);
      for (int i = 0; i < 12; ++i) {
        int target = static_cast<int>(rng.between(0, 99));
        core::Item item = problem(numbers, target);
        auto answer = find_task(item.problem.task).solve(item.problem);
        ASSERT_EQ(answer.has_value(), values.contains(target)) << item.problem.question;
        ++(answer ? solvable : unsolvable);
        if (answer) {
          EXPECT_EQ(verdict(item, *answer), VerdictKind::kCorrect) << item.problem.question << *answer;
        }
      }
    }
  EXPECT_GT(solvable, 300);
  EXPECT_GT(unsolvable, 300);
}

TEST(Countdown, VerifierAgreesWithPathsOnRandomAnswers) {
  base::Rng rng(base::RngKey(2));
  const Task& task = find_task("countdown4");
  for (int i = 0; i < 400; ++i) {
    core::Item item = task.generate(base::RngKey(3).child(i), Split::kTrain);
    Countdown countdown = countdown_of(item.problem);
    auto path = random_countdown_path(countdown.numbers, rng);
    std::string answer;
    for (const auto& m : path)
      answer += base::cat(answer.empty() ? "" : " ; ", m.a, " ", text::task_words()[m.op], " ", m.b);
    bool right = path.back().result == countdown.target;
    EXPECT_EQ(verdict(item, answer), right ? VerdictKind::kCorrect : VerdictKind::kWrong) << answer;
  }
}

// The rules a second time, on words and a multiset.
bool obeys_rules(const std::vector<std::string>& words, const Countdown& countdown) {
  std::multiset<int> at_hand(countdown.numbers.begin(), countdown.numbers.end());
  if (words.size() != 4 * at_hand.size() - 5) return false;
  for (size_t i = 0; i < words.size(); i += 4) {
    if (i > 0 && words[i - 1] != ";") return false;
    for (size_t k : {i, i + 2}) {
      auto it = words[k].find_first_not_of("0123456789") == std::string::npos ? at_hand.find(std::stoi(words[k]))
                                                                              : at_hand.end();
      if (it == at_hand.end()) return false;
      at_hand.erase(it);
    }
    int a = std::stoi(words[i]), b = std::stoi(words[i + 2]);
    std::string op = words[i + 1];
    if (op != "+" && op != "-" && op != "*") return false;
    int r = op == "+" ? a + b : op == "-" ? a - b : a * b;
    if (r < 0 || r > 99) return false;
    at_hand.insert(r);
  }
  return *at_hand.begin() == countdown.target;
}

TEST(Countdown, MutatedAnswersAreJudgedRight) {
  base::Rng rng(base::RngKey(6));
  int accepted = 0, rejected = 0;
  for (const char* name : {"countdown3", "countdown4"}) {
    const Task& task = find_task(name);
    for (int i = 0; i < 3000; ++i) {
      core::Item item = task.generate(base::RngKey(8).child(i % 50), Split::kTrain);
      std::string answer = *task.solve(item.problem);
      std::vector<std::string> words;
      for (auto word : text::split_words(answer)) words.emplace_back(word);
      size_t at = rng.below(static_cast<int64_t>(words.size())), other = rng.below(static_cast<int64_t>(words.size()));
      switch (rng.below(5)) {
        case 0:
          std::swap(words[at], words[other]);
          break;
        case 1:
          words.erase(words.begin() + static_cast<int64_t>(at));
          break;
        case 2:
          words.insert(words.begin() + static_cast<int64_t>(at), words[other]);
          break;
        case 3:
          words[at] = text::task_words()[rng.below(text::kWordCount)];
          break;
        default:
          words[at] = words[other];
      }
      std::string mutant;
      for (const auto& word : words) mutant += (mutant.empty() ? "" : " ") + word;
      bool right = obeys_rules(words, countdown_of(item.problem));
      EXPECT_EQ(verdict(item, mutant) == VerdictKind::kCorrect, right) << item.problem.question << mutant;
      ++(right ? accepted : rejected);
    }
  }
  EXPECT_GT(accepted, 100);  // swapped operands of + and *, unchanged answers
  EXPECT_GT(rejected, 3000);
}

TEST(Countdown, AcceptsEveryLegalOrder) {
  core::Item item = problem({13, 8, 2}, 18);
  for (const char* answer : {"13 * 2 ; 26 - 8", "2 * 13 ; 26 - 8", "  13 *  2 ;26 - 8"}) {
    bool spaced = std::string(answer).find(";26") == std::string::npos;
    EXPECT_EQ(verdict(item, answer), spaced ? VerdictKind::kCorrect : VerdictKind::kUnparsable) << answer;
  }
  core::Item four = problem({2, 3, 4, 5}, 26);
  EXPECT_EQ(verdict(four, "2 * 3 ; 4 * 5 ; 6 + 20"), VerdictKind::kCorrect);
  EXPECT_EQ(verdict(four, "4 * 5 ; 2 * 3 ; 20 + 6"), VerdictKind::kCorrect);
  EXPECT_EQ(verdict(four, "5 * 4 ; 3 * 2 ; 6 + 20"), VerdictKind::kCorrect);
  EXPECT_EQ(find_task("countdown3").verify(item, " 2 *  13 ; 26 - 8 ").extracted, "2 * 13 ; 26 - 8");
}

TEST(Countdown, TheProblemItselfJudgesAnswersAndBrokenSteps) {
  const text::TaskCodec codec(text::task_tokenizer());
  const ProblemJudge judge(codec);
  core::Item item = find_task("countdown3").parse(base::Json::parse(R"({"numbers":[13,8,2],"target":18})"), "a");
  const auto value = [&](const char* words) { return judge.value(item.problem, text::known_ids(words)); };
  EXPECT_TRUE(judge.knows(item.problem));
  EXPECT_EQ(value("goal 18 below ; try 13 * 2 = 26 , 26 8 ; 26 - 8 = 18 ? 18 yes ; ans 13 * 2 ; 26 - 8 end"), 1.0);
  EXPECT_EQ(value("ans 13 + 2 ; 15 + 8 end"), 0.0);
  EXPECT_EQ(value("goal 18 below ; try 13 * 2 = 26 , 26 8 ;"), std::nullopt);
  EXPECT_EQ(value("goal 18 below ; try 13 * 2 = 27 , 27 8 ;"), 0.0);
  EXPECT_EQ(value(""), std::nullopt);
  item.problem.task = "vm3";  // has hidden tests
  EXPECT_FALSE(judge.knows(item.problem));
  EXPECT_EQ(value("ans 13 + 2 ; 15 + 8 end"), std::nullopt);
}

// Factors of 18: 2, 3, 6, 9, 18.
TEST(Countdown, TheOutlookIsHowNearTheNumbersAreToFactorsOfTheTarget) {
  const text::TaskCodec codec(text::task_tokenizer());
  const ProblemJudge judge(codec);
  core::Item item = find_task("countdown3").parse(base::Json::parse(R"({"numbers":[13,8,2],"target":18})"), "a");
  const auto outlook = [&](const char* words) { return *judge.outlook(item.problem, text::known_ids(words)); };
  EXPECT_DOUBLE_EQ(outlook(""), 1 / (1 + (4 + 1 + 0) / 3.0));
  EXPECT_DOUBLE_EQ(outlook("goal 18 below ; try 8 + 2 = 10 , 10 13 ;"), 1 / (1 + (1 + 4) / 2.0));
  EXPECT_DOUBLE_EQ(outlook("goal 18 below ; try 8 + 2 = 10 , 10 13 ; try 13 - 8 = 5 , 5 2 ;"), 1 / (1 + (1 + 0) / 2.0));
  EXPECT_EQ(outlook("goal 18 below ; try 13 + 2 = 15 , 15 8 ; 15 - 8 = 7 ? 18 no ;"), 0) << "nothing can follow";
  EXPECT_EQ(outlook("goal 18 below ; try 13 * 2 = 26 , 26 8 ; 26 - 8 = 18 ? 18 yes ;"), 1);
  item.problem.task = "vm3";
  EXPECT_FALSE(judge.outlook(item.problem, {}));
}

TEST(Countdown, RejectsEveryTrick) {
  core::Item item = problem({13, 8, 2}, 18);
  const std::pair<const char*, VerdictKind> tricks[] = {
      {"13 * 2 ; 26 - 8 ; 18 + 0", VerdictKind::kWrong},                      // extra step with a number not given
      {"13 + 13 ; 26 - 8", VerdictKind::kWrong},                              // reused number
      {"8 + 8 ; 16 + 2", VerdictKind::kWrong},                                // reused number, other left out
      {"13 + 8", VerdictKind::kWrong},                                        // unused number
      {"26 - 8 ; 13 * 2", VerdictKind::kWrong},                               // uses a result before it is there
      {"2 - 13 ; 8 - 8", VerdictKind::kWrong},                                // negative intermediate
      {"18", VerdictKind::kUnparsable},                                       // the target alone
      {"13 * 2 ; 26 - 8 = 18", VerdictKind::kUnparsable},                     // text behind a line
      {"13 * 2 ; 26 - 8 end", VerdictKind::kUnparsable},                      // trailing text
      {"13 * 2 ; 26 - 8 ;", VerdictKind::kUnparsable},                        // trailing separator
      {"; 13 * 2 ; 26 - 8", VerdictKind::kUnparsable},                        // leading separator
      {"13 * 2 ; ; 26 - 8", VerdictKind::kUnparsable},                        // empty line
      {"ans 13 * 2 ; 26 - 8 ans 13 + 2 ; 15 + 8", VerdictKind::kUnparsable},  // two answers
      {"13 * 2 ; 26 - 8 or 13 + 2 ; 15 + 8", VerdictKind::kUnparsable},       // a list of guesses
      {"the answer is 13 * 2 ; 26 - 8", VerdictKind::kUnparsable},            // answer inside other text
      {"13 * 2 ; 26 - 8\n", VerdictKind::kUnparsable},                        // control characters
      {"１３ * 2 ; 26 - 8", VerdictKind::kUnparsable},                        // full-width digits
      {"13 × 2 ; 26 - 8", VerdictKind::kUnparsable},                          // another sign for *
      {"13 * 2 ; 26 − 8", VerdictKind::kUnparsable},                          // another minus sign
      {"013 * 2 ; 26 - 8", VerdictKind::kUnparsable},                         // leading zero
      {"+13 * 2 ; 26 - 8", VerdictKind::kUnparsable},                         // sign
      {"13 * -2 ; 26 - 8", VerdictKind::kUnparsable},                         // sign
      {"13 ** 2 ; 26 - 8", VerdictKind::kUnparsable},                         // power
      {"13 // 2 ; 6 - 8", VerdictKind::kUnparsable},                          // floor division of Python
      {"13 / 2 ; 6 + 8", VerdictKind::kWrong},                                // an operation that is not allowed
      {"13 % 2 ; 1 + 8", VerdictKind::kUnparsable},                           // an operation that is not known
      {"3 ! ; 26 - 8", VerdictKind::kUnparsable},                             // factorial
      {"13 * 2.0 ; 26 - 8", VerdictKind::kUnparsable},                        // decimal
      {"1.3 * 2 ; 26 - 8", VerdictKind::kUnparsable},                         // a decimal made of given digits
      {"13*2;26-8", VerdictKind::kUnparsable},                                // no words
      {"( 13 * 2 ) - 8", VerdictKind::kUnparsable},                           // brackets
      {"13 * 8 ; 104 - 2", VerdictKind::kWrong},                              // overflow: 104
      {"99999999999999999999 * 2 ; 26 - 8", VerdictKind::kUnparsable},        // overflow of the reader
      {"", VerdictKind::kUnparsable},                                         // empty
      {"   ", VerdictKind::kUnparsable},                                      // blank
      {"13 + 2 ; 15 + 8", VerdictKind::kWrong},                               // obeys the rules, misses the target
  };
  for (const auto& [answer, kind] : tricks) {
    core::Verdict v = find_task("countdown3").verify(item, answer);
    EXPECT_EQ(v.kind, kind) << answer << ": " << v.reason;
    EXPECT_FALSE(v.reason.empty()) << answer;
  }
  // A given number that is the target does not spare the other numbers.
  core::Item given = problem({18, 4, 4}, 18);
  EXPECT_EQ(verdict(given, "18 + 4"), VerdictKind::kWrong);
  EXPECT_EQ(verdict(given, "4 - 4 ; 18 + 0"), VerdictKind::kCorrect);
  std::string nul("13 * 2 ; 26 - 8");
  nul.push_back('\0');
  EXPECT_EQ(verdict(item, nul), VerdictKind::kUnparsable);
}

TEST(Countdown, HugeAnswersAreNotRead) {
  core::Item item = problem({13, 8, 2}, 18);
  std::string huge(10 << 20, '1');
  core::Verdict v = find_task("countdown3").verify(item, huge);
  EXPECT_EQ(v.kind, VerdictKind::kUnparsable);
  EXPECT_TRUE(v.extracted.empty());
  EXPECT_LT(v.reason.size(), 200u);
}

TEST(Countdown, GeneratedProblemsKeepTheRules) {
  for (const char* name : {"countdown3", "countdown4", "countdown5"}) {
    const Task& task = find_task(name);
    for (int i = 0; i < 100; ++i)
      for (Split split : {Split::kTrain, Split::kDev, Split::kTest}) {
        base::RngKey key = base::RngKey(7).child(i);
        core::Item item = task.generate(key, split);
        Countdown c = countdown_of(item.problem);
        EXPECT_EQ(split_of_canonical(task.canonical(item.problem)), split);
        EXPECT_GE(c.target, kCountdownMinTarget);
        EXPECT_LE(c.target, kCountdownMaxTarget);
        for (int n : c.numbers) {
          EXPECT_GE(n, 1);
          EXPECT_LE(n, kCountdownMaxGenerated);
          EXPECT_NE(n, c.target);
        }
        auto answer = task.solve(item.problem);
        ASSERT_TRUE(answer) << item.problem.question;
        EXPECT_EQ(verdict(item, *answer), VerdictKind::kCorrect);
        EXPECT_EQ(task.generate(key, split).problem.question, item.problem.question);
        core::Item back = task.parse(task.to_row(item), "default");
        EXPECT_EQ(back.problem.question, item.problem.question);
        EXPECT_EQ(back.problem.id, item.problem.id);
        EXPECT_EQ(task.to_row(back), task.to_row(item));
        text::render_prompt(text::task_tokenizer(), item.problem);  // every word is in the vocabulary
      }
  }
}

TEST(Countdown, BadRowsAreExplained) {
  const Task& task = find_task("countdown3");
  const std::pair<const char*, const char*> rows[] = {
      {R"({"id":"r1","target":18})", "numbers"},
      {R"({"id":"r1","numbers":[1,2],"target":18})", "3 integers"},
      {R"({"id":"r1","numbers":[1,2,"3"],"target":18})", "each of numbers"},
      {R"({"id":"r1","numbers":[1,2,0],"target":18})", "from 1 to 99"},
      {R"({"id":"r1","numbers":[1,2,3.5],"target":18})", "3.5"},
      {R"({"id":"r1","numbers":[1,2,3],"target":100})", "from 0 to 99"},
      {R"({"id":"r1","numbers":[1,2,3]})", "target"},
      {R"({"id":[1],"numbers":[1,2,3],"target":9})", "id must be a string"},
      {R"([1,2,3])", "must be an object"},
  };
  for (const auto& [row, wanted] : rows) {
    try {
      task.parse(base::Json::parse(row), "r1");
      ADD_FAILURE() << row;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::kInput);
      EXPECT_NE(std::string(e.what()).find(wanted), std::string::npos) << e.what();
    }
  }
  EXPECT_EQ(task.parse(base::Json::parse(R"({"numbers":[99,1,1],"target":0})"), "row 4").problem.id, "row 4");
  EXPECT_EQ(task.parse(base::Json::parse(R"({"id":7,"numbers":[99,1,1],"target":0})"), "row 4").problem.id, "7");
}

TEST(Countdown, StepsAreChecked) {
  core::Item item = problem({13, 8, 2}, 18);
  const Task& task = find_task("countdown3");
  auto check = [&](const std::string& thought) {
    std::string pattern;  // v valid, i invalid, u unreadable
    for (const auto& step : task.check_steps(item.problem, thought))
      pattern += !step.parsed ? 'u' : step.valid ? 'v' : 'i';
    return pattern;
  };
  EXPECT_EQ(check("goal 18 below ; try 13 + 2 = 15 , 15 8 ; 15 + 8 = 23 ? 18 no ; back 8 15 ; 15 - 8 = 7 ? 18 no ; "
                  "try 13 * 2 = 26 , 26 8 ; 26 - 8 = 18 ? 18 yes ;"),
            "vvvvvvv");
  EXPECT_EQ(check("goal 18 above"), "i");
  EXPECT_EQ(check("goal 19 below"), "i");
  EXPECT_EQ(check("try 13 + 3 = 16 , 16 8"), "i");                         // 3 is not at hand
  EXPECT_EQ(check("try 13 + 2 = 16 , 16 8"), "i");                         // wrong result
  EXPECT_EQ(check("try 13 + 2 = 16 wait 15 , 15 8"), "v");                 // corrected
  EXPECT_EQ(check("try 13 + 2 = 15 , 15 2"), "i");                         // wrong list
  EXPECT_EQ(check("try 13 + 2 = 15"), "i");                                // list missing
  EXPECT_EQ(check("try 13 + 2 = 15 , 15 8 ; 13 + 8 = 21 ? 18 no"), "vi");  // 13 is used up
  EXPECT_EQ(check("try 13 * 2 = 26 , 26 8 ; 26 - 8 = 18 ? 18 no"), "vi");  // wrong verdict
  EXPECT_EQ(check("try 13 + 2 = 15 , 15 8 ? 18 yes"), "i");
  EXPECT_EQ(check("try 13 + 2 = 15 , 15 8 ; 15 + 8 = 23 ? 23 yes"), "vi");  // another goal
  EXPECT_EQ(check("try 13 + 2 = 15 , 15 8 ; back 14 8"), "vi");
  EXPECT_EQ(check("try 13 / 2 = 6 , 6 8"), "i");
  EXPECT_EQ(check("try 2 - 8 no"), "v");
  EXPECT_EQ(check("try 8 - 2 no"), "i");
  EXPECT_EQ(check("test 13 + 2 = 15 , 15 8"), "i");
  EXPECT_EQ(check("what ; stop end"), "uv");
}

}  // namespace
}  // namespace ponder::tasks
