#include "ponder/tasks/word_codec.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "ponder/base/error.h"
#include "ponder/base/file.h"
#include "ponder/tasks/dataset.h"
#include "ponder/tasks/math.h"
#include "ponder/text/tokenizer_json.h"

namespace ponder::tasks {
namespace {

constexpr const char* kChatMl =
    "{%- for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}{%- endfor %}"
    "{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{%- endif %}";
// Trims what is said, and writes a space before a reply.
constexpr const char* kInst =
    "{{ bos_token }}{%- for m in messages %}{%- if m.role == 'user' %}{{ '[INST] ' + m.content | trim + ' [/INST]' }}"
    "{%- else %}{{ ' ' + m.content | trim + ' ' + eos_token }}{%- endif %}{%- endfor %}";
// Thinks first, and drops the thoughts of replies.
constexpr const char* kThinks =
    "{%- for m in messages %}{%- if m.role == 'user' %}{{ '<|im_start|>user\\n' + m.content + '<|im_end|>\\n' }}"
    "{%- else %}{{ '<|im_start|>assistant\\n' + m.content + '<|im_end|>\\n' }}{%- endif %}{%- endfor %}"
    "{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n<think>\\n' }}{%- endif %}";

std::shared_ptr<text::Tokenizer> fixture(const std::string& name) {
  const std::string path = base::cat("tests/data/tokenizers/", name, ".json");
  return text::read_tokenizer_json(base::Json::parse(base::read_file(path), path).at("tokenizer").dump(), path);
}

WordModel model_with(const std::string& name, const char* chat_template = nullptr) {
  WordModel model;
  model.tokenizer = fixture(name);
  for (const char* end : {"<|im_end|>", "<|endoftext|>", "</s>", "<eos>", "<|eot_id|>", "<|end_of_text|>"})
    if (const auto id = model.tokenizer->find(end)) model.ends.push_back(*id);
  if (model.ends.empty()) model.ends = {0};
  if (chat_template) model.chat.templates.push_back({"default", chat_template, "template"});
  model.chat.special_tokens = {{"bos_token", "<s>"}, {"eos_token", "</s>"}};
  model.context = 4000;
  model.path = name;
  return model;
}

core::Problem problem_of(const std::string& question, const std::string& task = "svamp") {
  core::Problem problem;
  problem.id = "p7";
  problem.task = task;
  problem.question = question;
  return problem;
}

core::Tokens joined(core::Tokens a, const core::Tokens& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

class EveryTokenizer : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Fixtures, EveryTokenizer,
                         testing::Values("qwen2", "llama2", "gemma", "llama3", "gpt2", "deepseek", "tekken"));

// A prompt with a solution behind it, and either of them alone, are the ids that the tokenizer gives the whole text.
TEST_P(EveryTokenizer, PromptAndResponseAreOneText) {
  const WordModel model = model_with(GetParam());
  for (const char* style : {"plain", "few-shot"}) {
    WordOptions options;
    options.style = style, options.shots = 2;
    const WordCodec codec(model, options);
    const std::string shots =
        style == std::string("plain") ? "" : codec.tokenizer().decode(codec.prompt(problem_of("?")), true);
    for (const char* solution : {"6 * 12 = 72\n#### 72", "  It is $5.\n\n#### 5\n", "hello world", "12", "(3)", "'s"}) {
      const core::Tokens prompt = codec.prompt(problem_of(" How many? ")), response = codec.response(solution);
      std::string text = "Question: How many?\nAnswer:";
      if (!shots.empty()) text = shots.substr(0, shots.rfind("Question: ")) + text;
      EXPECT_EQ(prompt, codec.tokenizer().encode(text)) << style;
      std::string trimmed = solution;
      while (trimmed[0] == ' ') trimmed.erase(0, 1);
      while (trimmed.back() == '\n') trimmed.pop_back();
      core::Tokens whole = codec.tokenizer().encode(text + " " + trimmed);
      ASSERT_GT(response.size(), 1u);
      const core::Token end = response.back();
      whole.push_back(end);
      if (!std::equal(prompt.begin(), prompt.end(), whole.begin())) {
        // A small vocabulary may have a token for ": ", which no prompt that ends in ":" can be followed by.
        EXPECT_EQ(codec.tokenizer().decode(joined(prompt, response)), codec.tokenizer().decode(whole));
        continue;
      }
      EXPECT_EQ(joined(prompt, response), whole) << style << ": " << solution;
      const core::Token eos = codec.tokenizer().special_ids().eos;
      EXPECT_EQ(end, eos >= 0 ? eos : model.ends[0]);
    }
  }
}

TEST(WordCodec, FewShotPromptsHoldWorkedExamples) {
  const WordModel model = model_with("qwen2");
  const WordCodec codec(model, {});
  EXPECT_EQ(codec.style(), "few-shot");
  const std::string text = codec.tokenizer().decode(codec.prompt(problem_of("How many?")));
  EXPECT_TRUE(text.starts_with("Question: A bakery")) << text;
  EXPECT_TRUE(text.ends_with("#### 96\n\nQuestion: How many?\nAnswer:")) << text;
  WordOptions options;
  options.shots = 9;
  EXPECT_THROW(WordCodec(model, options), Error);
}

TEST(WordCodec, ExamplesMayBeAUsers) {
  const std::string path = base::join_path(testing::TempDir(), "word_codec_examples.jsonl");
  WordOptions options;
  options.examples = path;
  base::write_file_atomic(
      path, "{\"question\":\"A<|im_end|>?\",\"solution\":\"B\"}\n{\"question\":\"C?\",\"solution\":\"D\"}\n");
  const WordModel model = model_with("qwen2");
  const WordCodec codec(model, options);
  const core::Tokens prompt = codec.prompt(problem_of("E?"));
  EXPECT_EQ(codec.tokenizer().decode(prompt),
            "Question: A<|im_end|>?\nAnswer: B\n\nQuestion: C?\nAnswer: D\n\nQuestion: E?\nAnswer:");
  EXPECT_EQ(std::ranges::count(prompt, *model.tokenizer->find("<|im_end|>")), 0) << "a user's text is text";
  base::write_file_atomic(path, "{\"question\":\"A?\",\"solution\":\"B\"}\n{\"question\":\"C?\",\"answer\":\"D\"}\n");
  try {
    const WordCodec bad(model, options);
    FAIL();
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find(path + ":2"), std::string::npos) << e.what();
    EXPECT_NE(std::string(e.what()).find("solution"), std::string::npos) << e.what();
  }
  base::write_file_atomic(path, "");
  EXPECT_THROW(WordCodec(model, options), Error);
  base::remove_all(path);
}

TEST(WordCodec, ChatsAreAskedAndAnsweredAsTheTemplateSays) {
  const WordModel model = model_with("qwen2", kChatMl);
  WordOptions options;
  options.system = "Be brief.";
  const WordCodec codec(model, options);
  EXPECT_EQ(codec.style(), "chat");
  const core::Tokens prompt = codec.prompt(problem_of("How many?"));
  EXPECT_EQ(codec.tokenizer().decode(prompt),
            "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHow many?\n\nThink step by step, and put your "
            "final answer within \\boxed{}.<|im_end|>\n<|im_start|>assistant\n");
  const core::Tokens response = codec.response("6 * 2 = 12\n#### 12");
  EXPECT_EQ(response.back(), *model.tokenizer->find("<|im_end|>"));
  EXPECT_EQ(
      joined(prompt, response),
      codec.tokenizer().encode(codec.tokenizer().decode(prompt) + "6 * 2 = 12\n#### 12<|im_end|>", {false, true}));
  // Without a task nothing is added, and special tokens in a question are text.
  const core::Tokens typed = codec.prompt(problem_of("Hi <|im_end|>", ""));
  EXPECT_EQ(std::ranges::count(typed, response.back()), 2);
  EXPECT_TRUE(codec.tokenizer().decode(typed).ends_with("user\nHi <|im_end|><|im_end|>\n<|im_start|>assistant\n"));
}

TEST(WordCodec, WhatATemplateWritesAroundARepliesBelongsToTheResponse) {
  const WordModel model = model_with("llama2", kInst);
  const WordCodec codec(model, {});
  const core::Tokens prompt = codec.prompt(problem_of("How many?", ""));
  EXPECT_EQ(joined(prompt, codec.response("It is 12.")),
            codec.tokenizer().encode("<s>[INST] How many? [/INST] It is 12. </s>", {false, true}));
  const WordCodec thinks(model_with("qwen2", kThinks), {});
  EXPECT_TRUE(thinks.tokenizer().decode(thinks.prompt(problem_of("?"))).ends_with("assistant\n<think>\n"));
  EXPECT_EQ(thinks.tokenizer().decode(thinks.response("12")), "\n</think>\n\n12<|im_end|>");
}

TEST(WordCodec, EndTokensThatTheConfigurationLacksEndACompletionToo) {
  WordModel model = model_with("qwen2", kChatMl);
  const core::Token turn_end = *model.tokenizer->find("<|im_end|>");
  std::erase(model.ends, turn_end);
  const WordCodec codec(model, {});
  ASSERT_TRUE(codec.endings());
  EXPECT_TRUE(codec.endings()->ended(core::Tokens{turn_end}));
  EXPECT_FALSE(WordCodec(model_with("qwen2", kChatMl), {}).endings()) << "the engine knows them all";
}

TEST(WordCodec, SaysWhatItCannotDo) {
  WordOptions options;
  options.style = "chat";
  EXPECT_THROW(WordCodec(model_with("qwen2"), options), Error);
  options.style = "plain";
  options.stop = {""};
  EXPECT_THROW(WordCodec(model_with("qwen2"), options), Error);
  options.stop = {};
  WordModel model = model_with("qwen2");
  model.context = static_cast<int64_t>(WordCodec(model, options).prompt(problem_of("?")).size()) + 1;
  const WordCodec codec(model, options);
  EXPECT_NO_THROW(codec.prompt(problem_of("?")));
  for (const char* question : {"", " \n", "one two three four five six seven eight nine ten"}) try {
      codec.prompt(problem_of(question));
      ADD_FAILURE() << question;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::kInput);
      EXPECT_EQ(e.where(), "p7");
    }
  EXPECT_THROW(WordCodec(model_with("qwen2", "{{ raise_exception('no') }}"), {}), Error);
}

// ---- Answers ------------------------------------------------------------------------------------------------------

WordCodec codec_reading(const std::string& place, const std::string& style = "few-shot") {
  WordOptions options;
  options.answer = place, options.style = style, options.shots = 1;
  return WordCodec(model_with("qwen2"), options);
}

std::string answer_of(const WordCodec& codec, const std::string& completion, const std::string& task = "svamp") {
  const core::Tokens tokens = codec.tokenizer().encode(completion, {false, true});
  return codec.answer(problem_of("?", task), tokens).value_or("none");
}

TEST(WordCodec, EqualNumbersVoteTogether) {
  const WordCodec codec = codec_reading("auto");
  for (const char* end : {"<|im_end|>", "\n\nQuestion:"}) {
    for (const char* said : {"#### 1200", "#### 1,200", "#### $1200.00", "so\n#### 1200 dollars", "\\boxed{1200}",
                             "It is \\boxed{1,200}.", " 1200", "$1,200$", "#### \\frac{2400}{2}", "#### 1200.0"})
      EXPECT_EQ(answer_of(codec, std::string(said) + end), "1200") << said;
    EXPECT_EQ(answer_of(codec, std::string("#### 0.5") + end), answer_of(codec, std::string("#### 1/2") + end));
    EXPECT_EQ(answer_of(codec, std::string("I am not sure, it may be 3 or so.") + end), "none");
    EXPECT_EQ(answer_of(codec, std::string("#### 1\n#### 2") + end), "none");
  }
  EXPECT_EQ(answer_of(codec_reading("lenient"), "So there are 12 apples left.<|im_end|>"), "12");
  EXPECT_EQ(answer_of(codec_reading("boxed"), "#### 3 \\boxed{4}<|im_end|>"), "4");
  EXPECT_EQ(answer_of(codec_reading("hashes"), "\\boxed{4}\n#### 3<|im_end|>"), "3");
  EXPECT_EQ(answer_of(codec, " 13 - 8 = 5 ; 5 * 2 = 10 \n<|im_end|>", "countdown3"), "13 - 8 = 5 ; 5 * 2 = 10");
  EXPECT_EQ(answer_of(codec, "Hello there.<|im_end|>", ""), "Hello there.");
  EXPECT_EQ(answer_of(codec, "It is \\boxed{12.0}<|im_end|>", ""), "12");
  EXPECT_EQ(answer_of(codec, "It is $\\boxed{ \\frac{\\pi r}{2} }$<|im_end|>", "math"),
            answer_of(codec, "\\boxed{\\frac{\\pi r}{2}}<|im_end|>", "math"));
}

// What is claimed is what the task's verifier reads as the same answer, wherever it was asked to stand.
TEST(WordCodec, TheVerifierJudgesWhatIsClaimed) {
  core::Item item = find_task("svamp").parse(base::Json::parse(R"({"question":"?","gold":"1200"})"), "x");
  const auto verdict = [&](const WordCodec& codec, const std::string& completion) -> std::string {
    const auto claim = codec.claimed(completion);
    return claim ? core::verdict_name(find_task("svamp").verify(item, *claim).kind) : "none";
  };
  const WordCodec codec = codec_reading("auto");
  EXPECT_EQ(verdict(codec, " 3 * 400 = 1200\n#### 1,200\n\nQuestion:"), "correct");
  EXPECT_EQ(verdict(codec, "#### 1200<|im_end|>#### 7"), "correct") << "nothing counts behind the end";
  EXPECT_EQ(verdict(codec, "<think>\\boxed{7}</think>\\boxed{1200}<|im_end|>"), "correct");
  EXPECT_EQ(verdict(codec, "<think>\\boxed{1200}<|im_end|>"), "none") << "it never ceased to think";
  EXPECT_EQ(verdict(codec, "There are 1200 of them<|im_end|>"), "unparsable");
  EXPECT_EQ(verdict(codec, "<|im_end|>"), "none");
  for (const char* said : {"There are 1,200 of them.", "The answer is $1200.", "so $x = 1200$ dollars"})
    EXPECT_EQ(verdict(codec_reading("lenient"), std::string(said) + "<|im_end|>"), "correct") << said;
  EXPECT_EQ(verdict(codec_reading("lenient"), "It is 1,5.<|im_end|>"), "wrong");
  EXPECT_EQ(verdict(codec_reading("boxed"), "#### 1200<|im_end|>"), "none");
}

// A number that was cut off may be the beginning of another one.
TEST(WordCodec, ACutCompletionClaimsWhatAWholeLineSays) {
  for (const char* place : {"auto", "lenient"}) {
    const WordCodec codec = codec_reading(place);
    EXPECT_EQ(answer_of(codec, "3 * 4 = 12\n#### 12"), "none");
    EXPECT_EQ(answer_of(codec, "3 * 4 = 12\n#### 12\nThen"), "12");
    EXPECT_EQ(answer_of(codec, "3 * 4 = 12\nThere are 12 of them.\nThen"), "none");
    EXPECT_EQ(answer_of(codec, "so \\boxed{12}\nThen"), "12");
  }
}

TEST(WordCodec, ThoughtsAndBehaviours) {
  const WordCodec codec = codec_reading("auto");
  const std::string completion =
      " 3 + 4 = 8\nWait, let me check that: 3 + 4 = 7.\n7 * 2 = 14, so 14 / 2 = 7\n#### 14\n\nQuestion:";
  EXPECT_EQ(codec.thought(completion), "3 + 4 = 8\nWait, let me check that: 3 + 4 = 7.\n7 * 2 = 14, so 14 / 2 = 7");
  const text::BehaviourCounts n = codec.behaviours(completion);
  EXPECT_EQ(n.equations, 4);
  EXPECT_EQ(n.wrong_equations, 1);
  EXPECT_EQ(n.corrections, 1);
  EXPECT_EQ(n.checks, 1);
  EXPECT_EQ(n.answered, 1);
  EXPECT_GT(n.tokens, 40);
  EXPECT_EQ(codec.thought("<think>hm</think>It is \\boxed{7}<|im_end|>"), "<think>hm</think>It is");
  EXPECT_EQ(codec.thought("no answer here<|im_end|>"), "no answer here");
  EXPECT_EQ(codec.shown(completion), completion.substr(0, completion.find("\n\nQuestion:") + 1));
}

TEST_P(EveryTokenizer, ThoughtsEndWhereAnswersBegin) {
  WordOptions options;
  options.style = "plain";
  const WordCodec codec(model_with(GetParam()), options);
  const auto thought = [&](const std::string& solution) {
    const core::Tokens completion = codec.response(solution);
    const auto length = static_cast<size_t>(codec.thought_length(completion));
    EXPECT_LE(length, completion.size());
    std::string text = codec.decode(core::TokenSpan(completion).first(length));
    text.erase(0, text.find_first_not_of(' '));
    return text;
  };
  EXPECT_EQ(thought("6 * 12 = 72\n#### 72"), "6 * 12 = 72\n");
  EXPECT_EQ(thought("One.\nTwo.\nIt is 3."), "One.\nTwo.\n");
  EXPECT_EQ(thought("5"), "");
  const auto ends_with = [&](const core::Tokens& tokens, const std::string& end) {
    EXPECT_TRUE(codec.decode(tokens).ends_with(end)) << codec.decode(tokens);
  };
  const core::Tokens line = codec.tokenizer().encode("a = 1\n", {.add_special = false});
  const core::Tokens open = codec.tokenizer().encode("a = 1", {.add_special = false});
  ends_with(joined(line, codec.think_on(line)), "a = 1\nWait,");
  ends_with(joined(open, codec.think_on(open)), "a = 1\nWait,");
  ends_with(joined(line, codec.answer_now(line)), "a = 1\n####");
  ends_with(joined(codec.prompt(problem_of("?")), codec.answer_now({})), "Answer: ####");
}

TEST(WordCodec, ThoughtsInTagsAreEndedByTheirTag) {
  const WordCodec codec(model_with("qwen2", kThinks), {});
  const core::Tokens thought = codec.tokenizer().encode("Let me see.\n", {});
  EXPECT_EQ(codec.decode(codec.answer_now(thought)), "</think>\n\n\\boxed{");
  const core::Tokens whole = codec.tokenizer().encode("Let me see.\n</think>\n\nIt is \\boxed{5}.<|im_end|>",
                                                      {.add_special = false, .parse_special = true});
  const auto length = static_cast<size_t>(codec.thought_length(whole));
  EXPECT_EQ(codec.decode(core::TokenSpan(whole).first(length)), "Let me see.\n");
}

TEST(WordCodec, IsAskedAboutItsOwnWorkInWords) {
  WordOptions options;
  options.style = "plain";
  WordModel model = model_with("qwen2");
  const WordCodec plain(model, options);
  const core::Problem problem = problem_of("How many?");
  const auto text = [&](const WordCodec& codec, core::Ask ask, std::vector<std::string> texts) {
    return codec.tokenizer().decode(*codec.asking(problem, {ask, std::move(texts)}), false);
  };
  EXPECT_EQ(text(plain, core::Ask::kFeedback, {" 3\n#### 3<|im_end|>"}),
            "Question: How many?\nAnswer: 3\n#### 3\n\nIs this answer right? Begin with yes or no. If it is "
            "not, say what is wrong with it.\nReply:");
  EXPECT_EQ(text(plain, core::Ask::kRevise, {" 3\n#### 3<|im_end|>", " It is 4."}),
            "Question: How many?\nAnswer: 3\n#### 3\n\nFeedback: It is 4.\n\nQuestion: How many?\nAnswer:");
  EXPECT_EQ(text(plain, core::Ask::kRevise, {" 3", ""}),
            "Question: How many?\nAnswer: 3\n\nQuestion: How many?\nAnswer:");
  EXPECT_NE(text(plain, core::Ask::kVote, {"a", "b"}).find(" 1. a\n\n2. b\n\nWhich"), std::string::npos);
  EXPECT_EQ(text(plain, core::Ask::kPart, {"How many bags? 2", "How many in each?"}),
            "Question: How many?\n\nHow many bags? 2\n\nHow many in each?\nReply:");
  EXPECT_EQ(text(plain, core::Ask::kConclude, {"How many bags? 2"}),
            "Question: How many?\n\nHow many bags? 2\nAnswer:");
  EXPECT_EQ(text(plain, core::Ask::kConclude, {""}), "Question: How many?\nAnswer:");
  // What is known is made of replies without their ends, and stands there whole.
  EXPECT_EQ(plain.said(plain.tokenizer().encode("two<|im_end|>", {})), "two");
  EXPECT_EQ(text(plain, core::Ask::kConclude, {"How many bags? two\nHow many nuts? three", ""}),
            "Question: How many?\n\nHow many bags? two\nHow many nuts? three\nAnswer:");
  // The problem in other words stands in its place.
  EXPECT_EQ(text(plain, core::Ask::kConclude, {"", "What number?"}), "Question: What number?\nAnswer:");
  EXPECT_EQ(text(plain, core::Ask::kPart, {"", "How many bags?", "What number?"}),
            "Question: What number?\n\nHow many bags?\nReply:");
  EXPECT_NE(text(plain, core::Ask::kNext, {"", "What number?"}).find("Question: What number?\n\nWhich simpler"),
            std::string::npos);
  EXPECT_NE(text(plain, core::Ask::kUseful, {"", "How many bags?"}).find("How many?\n\nHow many bags?\n\nDoes it help"),
            std::string::npos);
  // A revision stands behind its prompt as an answer behind the problem's.
  const WordCodec chat(model_with("qwen2", kChatMl), {});
  const std::string again = text(chat, core::Ask::kRevise, {"It is 3.<|im_end|>", "No."});
  EXPECT_NE(again.find("<|im_start|>assistant\nIt is 3.<|im_end|>\n<|im_start|>user\nNo.\n\nSolve the problem"),
            std::string::npos)
      << again;
  EXPECT_TRUE(again.ends_with("<|im_start|>assistant\n"));
  // What was written is never a special token, and what is too long is not asked.
  const auto ids = *plain.asking(problem, {core::Ask::kFeedback, {"a <|im_start|> b"}});
  EXPECT_EQ(std::ranges::count(ids, *plain.tokenizer().find("<|im_start|>")), 0);
  model.context = 30;
  EXPECT_EQ(WordCodec(model, options).asking(problem, {core::Ask::kFeedback, {"3"}}), core::Tokens{});
}

TEST(WordCodec, StepsEndWithLines) {
  const WordCodec codec = codec_reading("auto");
  const core::Tokens ends = codec.step_ends();
  ASSERT_FALSE(ends.empty());
  for (size_t i = 0; i < codec.tokenizer().size(); ++i) {
    const auto id = static_cast<core::Token>(i);
    EXPECT_EQ(std::ranges::count(ends, id) == 1, codec.tokenizer().token_bytes(id).ends_with('\n'));
  }
}

}  // namespace
}  // namespace ponder::tasks
