// Supervised fine-tuning on a user's own rows: what is read, what is learned of it, and a whole run.
#include "ponder/recipes/training_files.h"

#include <gtest/gtest.h>

#include "ponder/engine/generate.h"
#include "ponder/recipes/open_model.h"
#include "ponder/recipes/plan.h"
#include "ponder/recipes/run.h"
#include "ponder/recipes/test_words.h"
#include "ponder/store/parquet.h"

namespace ponder::recipes {
namespace {

constexpr const char* kTemplate =
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

// As Qwen3's: a thought, if only an empty one, stands in the last turn alone.
constexpr const char* kThinksLast =
    "{% for m in messages %}{{ m.role[0] }}:{% if loop.last and m.role == 'assistant' %}()\n{% endif %}{{ m.content }}"
    "<|im_end|>{% endfor %}{% if add_generation_prompt %}a:{% endif %}";

class SftOnFiles : public WordsRun {
 protected:
  void SetUp() override {
    WordsRun::SetUp();
    folder_ = fresh_dir("sft_files");
    base::make_directories(folder_);
  }
  std::string path(const std::string& name) const { return base::join_path(folder_, name); }
  std::string file(const std::string& name, const std::vector<std::string>& lines) const {
    std::string text;
    for (const std::string& line : lines) base::append(text, line + "\n");
    base::write_file_atomic(path(name), text);
    return path(name);
  }
  // 20 rows of prompt and completion.
  std::string twenty_rows(const std::string& name = "rows.jsonl") const {
    const char* colours[] = {"red", "blue", "green", "grey"};
    std::vector<std::string> lines;
    for (int i = 0; i < 20; ++i)
      lines.push_back(base::cat(R"({"prompt":"Box )", i, R"( is","completion":" )", colours[i % 4], R"( today."})"));
    return file(name, lines);
  }
  void give_template(const char* text = kTemplate) const {
    base::write_file_atomic(base::join_path(model_, "chat_template.jinja"), text);
  }

  // No other source, and nothing that is asked: no data folder is needed.
  Recipe on(const std::string& files, std::vector<std::string> more = {}) const {
    more.insert(more.begin(), {"stages=[sft,report]", "sft.solutions=[]", "sft.practice_share=0", "sft.eval_problems=0",
                               "sft.data=" + files});
    return recipe(std::move(more));
  }
  static std::string message_of(const std::function<void()>& work) {
    try {
      work();
    } catch (const Error& e) {
      return e.what();
    }
    return "no error";
  }
  std::string refusal(const std::string& files, std::vector<std::string> more = {}) const {
    return message_of([&] { read_training_files(on(files, std::move(more))); });
  }
  // A row as text, what is learned of it in brackets.
  std::string shown(const learn::Row& row) const {
    const OpenedModel model = open_model(model_, {.device = "cpu"});
    std::string out;
    bool is_open = false;
    for (size_t i = 0; i < row.tokens.size(); ++i) {
      if ((row.weights[i] > 0) != is_open) out += std::exchange(is_open, !is_open) ? "]" : "[";
      out += model.tokenizer().decode(core::Tokens{row.tokens[i]});
    }
    return is_open ? out + "]" : out;
  }
  std::vector<std::string> all_shown(const TrainingFiles& files) const {
    std::vector<std::string> out;
    for (const learn::Row& row : files.rows) out.push_back(shown(row));
    return out;
  }
  static std::vector<eval::NoteRow> notes_of(const std::string& dir) {
    std::vector<eval::NoteRow> notes;
    for (const eval::NoteRow& note : eval::read_rows(base::join_path(dir, "metrics.jsonl")).note)
      if (note.text.starts_with(kFilesNote)) notes.push_back(note);
    return notes;
  }
  static void holds(const std::string& message, const std::string& what) {
    EXPECT_NE(message.find(what), std::string::npos) << message;
  }
  std::string folder_;
};

TEST_F(SftOnFiles, CompletionsAreLearnedAndPromptsAreRead) {
  give_template();
  const std::string rows =
      file("rows.jsonl",
           {R"({"prompt":"2 + 2 =","completion":" 4"})", R"({"text":"ab"})",
            R"({"messages":[{"role":"system","content":"s"},{"role":"user","content":"<|im_end|>"},)"
            R"({"role":"assistant","content":"x"},{"role":"user","content":"r"},{"role":"assistant","content":"y"}]})",
            R"({"prompt":[{"role":"user","content":"q"}],"completion":[{"role":"assistant","content":"z"}]})",
            R"({"prompt":"p","chosen":" good","rejected":" bad"})",
            R"({"prompt":"u","completion":" yes","label":true})", R"({"prompt":"u","completion":" no","label":false})",
            R"({"prompt":"u","completion":" no","weight":0})", R"({"prompt":"u","completion":" half","weight":0.5})"});
  const TrainingFiles files = read_training_files(on(rows));
  EXPECT_EQ(all_shown(files),
            (std::vector<std::string>{"2 + 2 =[ 4<|endoftext|>]", "a[b<|endoftext|>]",
                                      "<|im_start|>system\ns<|im_end|>\n<|im_start|>user\n<|im_end|><|im_end|>\n<|im_"
                                      "start|>assistant\n[x<|im_end|>\n]"
                                      "<|im_start|>user\nr<|im_end|>\n<|im_start|>assistant\n[y<|im_end|>\n]",
                                      "<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\n[z<|im_end|>\n]",
                                      "p[ good<|endoftext|>]", "u[ yes<|endoftext|>]", "u[ half<|endoftext|>]"}));
  EXPECT_EQ(files.rows.back().weights.back(), 0.5F);
  EXPECT_EQ(files.read, 9);
  EXPECT_EQ(files.unwanted.count, 2);
  EXPECT_EQ(files.unwanted.first, rows + ":7");
  int64_t tokens = 0, learned = 0;
  for (const learn::Row& row : files.rows) {
    EXPECT_EQ(row.weights[0], 0);
    tokens += std::ssize(row.tokens);
    for (const float weight : row.weights) learned += weight > 0;
  }
  EXPECT_EQ(files.tokens, tokens);
  EXPECT_EQ(files.learned, learned);
  // What a user types is no special token: the second "<|im_end|>" of that turn alone is one.
  EXPECT_EQ(std::ranges::count(files.rows[2].tokens, 452), 5);
}

TEST_F(SftOnFiles, SeveralFilesAreReadInTheirOrder) {
  const std::string a = file("a.jsonl", {R"({"text":"a"})"}), b = file("b.jsonl", {R"({"text":"b"})"});
  EXPECT_EQ(all_shown(read_training_files(on(b + "," + a))),
            (std::vector<std::string>{"b[<|endoftext|>]", "a[<|endoftext|>]"}));
  const auto checksum = [&](const std::string& files) { return read_training_files(on(files)).checksum; };
  EXPECT_EQ(checksum(a + "," + b), checksum(a + "," + b));
  EXPECT_NE(checksum(a + "," + b), checksum(b + "," + a));
  EXPECT_NE(checksum(a), checksum(file("half.jsonl", {R"({"text":"a","weight":0.5})"})));
}

TEST_F(SftOnFiles, BadRowsAreNamed) {
  const std::string rows = file("bad.jsonl", {R"({"text":"a b"})", R"({"text":)", R"({"prompt":"a","completion":3})",
                                              R"({"messages":[{"role":"assistant","content":"no template here"}]})"});
  const std::string message = refusal(rows);
  for (const char* line : {":2", ":3", ":4"}) holds(message, "\n  " + rows + line);
  holds(message, "\"completion\": expected a text");
  holds(message, "no chat template");
  holds(message, "sft.bad_rows (now 0)");
  holds(refusal(rows, {"sft.bad_rows=2"}), "(now 2)");
  const TrainingFiles files = read_training_files(on(rows, {"sft.bad_rows=3"}));
  EXPECT_EQ(files.rows.size(), 1u);
  EXPECT_EQ(files.bad.count, 3);
  holds(summary_of(files, on(rows)), "1 of 4 rows of " + rows);
  holds(summary_of(files, on(rows)), "3 that cannot be learned from");
  // Of many it names ten, and reads no further.
  const std::string many = file("many.jsonl", std::vector<std::string>(50, "{"));
  holds(refusal(many), many + ":10");
  EXPECT_EQ(refusal(many).find(many + ":11"), std::string::npos);
}

// A row of which only the end would be learned is no row to learn from, and each of them says why.
TEST_F(SftOnFiles, RowsThatSayNothingAreBad) {
  give_template();
  const std::pair<const char*, const char*> cases[] = {
      {R"({"text":""})", "\"text\" is empty"},
      {R"({"prompt":"p","completion":""})", "\"completion\" is empty"},
      {R"({"prompt":"p","completion":"","label":true})", "\"completion\" is empty"},
      {R"({"prompt":"p","chosen":"","rejected":"r"})", "behind the prompt \"chosen\" is empty"},
      {R"({"chosen":"a","rejected":"a b"})", "behind the prompt \"chosen\" is empty"},
      {R"({"prompt":"p"})", "it has a prompt and no completion"},
      {R"({"prompt":"p","completion":null,"weight":0.5})", "it has a prompt and no completion"},
      {R"({"messages":[{"role":"user","content":"a"}]})", "it has no turn of the assistant in which something is said"},
      {R"({"messages":[{"role":"user","content":"a"},{"role":"assistant","content":""}]})",
       "it has no turn of the assistant in which something is said"},
      {R"({"prompt":[{"role":"user","content":"a"}],"completion":[{"role":"assistant","content":[]}]})",
       "it has no turn of the assistant in which something is said"}};
  for (const auto& [row, says] : cases) {
    const std::string rows = file("empty_answer.jsonl", {R"({"text":"a b"})", row});
    holds(refusal(rows), base::cat("\n  ", rows, ":2: nothing in it is learned: ", says));
    const TrainingFiles files = read_training_files(on(rows, {"sft.bad_rows=1"}));
    EXPECT_EQ(std::pair(files.kept, files.bad.count), std::pair(int64_t{1}, int64_t{1})) << row;
  }
  const std::string rest =
      file("rest.jsonl", {R"({"prompt":"p","completion":"","label":false})", R"({"prompt":"p","completion":" x"})",
                          R"({"prompt":"p","chosen":" x","rejected":""})"});
  EXPECT_EQ(all_shown(read_training_files(on(rest))),
            (std::vector<std::string>{"p[ x<|endoftext|>]", "p[ x<|endoftext|>]"}));
}

TEST_F(SftOnFiles, AFirstTurnOfTheAssistantIsLearnedOrSaidNotToBe) {
  const std::string rows = file("first.jsonl", {R"({"messages":[{"role":"assistant","content":"x"}]})"});
  give_template();
  EXPECT_EQ(all_shown(read_training_files(on(rows))),
            std::vector<std::string>{"<|im_start|>assistant\n[x<|im_end|>\n]"});
  give_template((std::string("{{ messages[0].role[:0] }}") + kTemplate).c_str());
  holds(refusal(rows), rows + ":1: the assistant's only turn is the first message, and the chat template makes no");
}

TEST_F(SftOnFiles, AConversationMayBeSeveralExamples) {
  give_template(kThinksLast);
  const auto turns = [](const std::string& last, const std::string& more = "") {
    return base::cat(R"({"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"x"},)",
                     R"({"role":"user","content":"r"},{"role":"assistant","content":")", last, "\"}]", more, "}");
  };
  const std::string rows = file("turns.jsonl", {turns("y", R"(,"weight":0.5)"), R"({"text":"ab"})", turns("z")});
  const Recipe recipe = on(rows);
  const TrainingFiles files = read_training_files(recipe);
  EXPECT_EQ(all_shown(files), (std::vector<std::string>{"u:q<|im_end|>a:[()\nx<|im_end|>]",
                                                        "u:q<|im_end|>a:x<|im_end|>u:r<|im_end|>a:[()\ny<|im_end|>]",
                                                        "a[b<|endoftext|>]", "u:q<|im_end|>a:[()\nx<|im_end|>]",
                                                        "u:q<|im_end|>a:x<|im_end|>u:r<|im_end|>a:[()\nz<|im_end|>]"}));
  for (const size_t i : {0, 1}) EXPECT_EQ(files.rows[i].weights.back(), 0.5F);
  EXPECT_EQ(files.rows.back().weights.back(), 1);
  // Rows are what the file has, whatever they become.
  holds(summary_of(files, recipe), base::cat("3 of 3 rows of ", rows, ", as 5 examples, "));
  const base::Json json = to_json(files);
  EXPECT_EQ(std::pair(json.int_at("rows"), json.int_at("examples")), std::pair(int64_t{3}, int64_t{5}));
  EXPECT_NE(files.checksum,
            read_training_files(on(file("other.jsonl", {turns("y"), R"({"text":"ab"})", turns("z")}))).checksum);
  // One of a row's examples is too long, or the tokenizer has a token too many in it: the row is left out as a whole.
  const Recipe narrow = on(file("long.jsonl", {turns("one two three four five six"), R"({"text":"ab"})"}),
                           {base::cat("sft.train.learner.pack_tokens=", files.rows[1].tokens.size())});
  const TrainingFiles shorter = read_training_files(narrow);
  EXPECT_EQ(all_shown(shorter), std::vector<std::string>{"a[b<|endoftext|>]"});
  EXPECT_EQ(shorter.too_long.count, 1);
  holds(summary_of(shorter, narrow), "1 of 2 rows of ");
}

// Stopped and resumed, with more examples than rows.
TEST_F(SftOnFiles, ARunOnConversationsGoesOn) {
  give_template(kThinksLast);
  std::vector<std::string> lines;
  for (int i = 0; i < 6; ++i)
    lines.push_back(base::cat(R"({"messages":[{"role":"user","content":"q)", i,
                              R"("},{"role":"assistant","content":"x"},{"role":"user","content":"r"},)",
                              R"({"role":"assistant","content":"y)", i, R"("}]})"));
  const std::string rows = file("talks.jsonl", lines), dir = fresh_dir("sft_files_talks");
  const Recipe recipe = on(rows, {"sft.train.steps=4", "sft.train.batch_tokens=64"});
  {
    const StopAfterARow later(dir, 1);
    holds(message_of([&] { run_recipe(recipe, dir); }), "stopped in stage sft");
  }
  run_recipe(recipe, dir);
  const std::vector<eval::NoteRow> notes = notes_of(dir);
  ASSERT_EQ(notes.size(), 1u);
  holds(notes[0].text, base::cat(kFilesNote, "6 of 6 rows of ", rows, ", as 12 examples, "));
}

TEST_F(SftOnFiles, TokensThatTheModelLacksAreNamed) {
  give_template();
  Recipe narrow =
      on(file("chat.jsonl", {R"({"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]})"}));
  EXPECT_EQ(read_training_files(narrow).rows.size(), 1u);
  narrow.model.vocab = 452;  // <|im_end|> is 452
  holds(message_of([&] { read_training_files(narrow); }),
        ":1: token 452 of the tokenizer is beyond the model's 452 ones");
}

TEST_F(SftOnFiles, RowsOfOtherTypesAreRefused) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"data_source":"d","prompt":"a","reward_model":{"style":"rule","ground_truth":"4"}})", "a row of type verl"},
      {R"({"prompt":"a","completions":["b"],"labels":[true]})", "a row of type stepwise"}};
  for (const auto& [row, says] : cases) {
    const std::string rows = file("other.jsonl", {R"({"text":"a"})", row});
    holds(refusal(rows, {"sft.bad_rows=5"}), rows + ":2: " + says);
    holds(refusal(rows), "sft.data reads text, conversations, prompt-completion");
  }
  holds(refusal(path("none.jsonl")), path("none.jsonl"));
  holds(refusal(file("empty.jsonl", {})), "nothing to learn from: 0 of 0 rows");
}

TEST_F(SftOnFiles, TooLongRowsAreCountedAndNeverCut) {
  const std::string text(40, 'x');
  const std::string rows = file("long.jsonl", {R"({"text":"a b"})", base::cat(R"({"text":")", text, R"("})"),
                                               base::cat(R"({"text":")", text, text, R"("})")});
  const size_t whole = read_training_files(on(rows)).rows[1].tokens.size();
  const auto limited = [&](size_t tokens) { return on(rows, {base::cat("sft.train.learner.pack_tokens=", tokens)}); };
  const TrainingFiles files = read_training_files(limited(whole));
  ASSERT_EQ(files.rows.size(), 2u);
  EXPECT_EQ(files.rows[1].tokens.size(), whole);
  EXPECT_EQ(files.too_long.count, 1);
  EXPECT_EQ(files.too_long.first, rows + ":3");
  holds(summary_of(files, limited(whole)), base::cat("left out: 1 of more than ", whole, " tokens (sft.train.learner"));
  EXPECT_EQ(read_training_files(limited(whole - 1)).too_long.count, 2);
  holds(summary_of(read_training_files(on(rows, {"sft.train.learner.pack_tokens=4000"})), on(rows)), "3 of 3 rows");
}

TEST_F(SftOnFiles, HeldOutQuestionsOfWhatTheRunAnswersAreLeftOut) {
  const Recipe asking = recipe();
  const auto& svamp = tasks::find_dataset_task("svamp").dataset();
  const auto row = [](const core::Item& item) {
    base::Json json = base::Json::object();
    json["prompt"] = base::cat("Please solve: ", item.problem.question, "\n"), json["completion"] = "#### 3";
    return json.dump();
  };
  const std::string rows = file("svamp.jsonl", {row(svamp.train[0]), row(svamp.test[0]), row(svamp.test[1])});
  const TrainingFiles files = read_training_files(on(rows, {"sft.eval_problems=5"}));
  EXPECT_EQ(files.rows.size(), 1u);
  EXPECT_EQ(files.held_out.count, 2);
  EXPECT_EQ(files.held_out.first, rows + ":2");
  EXPECT_EQ(read_training_files(on(rows, {"stages=[base,sft]"})).held_out.count, 2);
  EXPECT_EQ(read_training_files(on(rows, {"stages=[sft,rl]"})).held_out.count, 2);
  EXPECT_EQ(read_training_files(on(rows, {"stages=[sft,search]"})).held_out.count, 2);
  EXPECT_EQ(read_training_files(on(rows)).held_out.count, 0);  // nobody asks
}

TEST_F(SftOnFiles, TheLossFallsAndTheModelSaysIt) {
  const std::string dir = fresh_dir("sft_files_run"), rows = twenty_rows();
  tasks::set_data_folder("/no-such-folder");
  const Recipe recipe = on(rows, {"data=", "sft.train.steps=60"});
  run_recipe(recipe, dir);
  const eval::Rows metrics = eval::read_rows(base::join_path(dir, "metrics.jsonl"));
  ASSERT_EQ(metrics.train.size(), 60u);
  EXPECT_LT(metrics.train.back().loss, 0.1 * metrics.train.front().loss);
  EXPECT_TRUE(metrics.accuracy.empty());
  const std::vector<eval::NoteRow> notes = notes_of(dir);
  ASSERT_EQ(notes.size(), 1u);
  const TrainingFiles files = read_training_files(recipe);
  EXPECT_EQ(notes[0].text, base::cat(kFilesNote, "20 of 20 rows of ", rows, ", ", files.tokens, " tokens, ",
                                     files.learned, " of them learned; checksum ", files.checksum));
  EXPECT_TRUE(base::file_exists(base::join_path(dir, "report.html")));

  const OpenedModel model = open_model(dir, {.device = "cpu"});
  const core::Tokens prompt = model.tokenizer().encode("Box 6 is");
  core::SampleParams params;
  params.temperature = 0, params.max_tokens = 20;
  const Models models{&model.policy, nullptr, {}, 1};
  const auto completions = sample_requests(models, {{prompt, params, base::RngKey(0)}}, 1);
  EXPECT_EQ(model.tokenizer().decode(completions[0].tokens), " green today.<|endoftext|>");
}

TEST_F(SftOnFiles, StoppedAgainAndAgainItEndsInTheSameBits) {
  const std::string whole = fresh_dir("sft_files_whole"), stopped = fresh_dir("sft_files_stopped");
  const Recipe recipe = on(twenty_rows(), {"sft.train.steps=30", "sft.train.batch_tokens=128"});
  run_recipe(recipe, whole);
  int stops = 0;
  for (int attempt = 0; attempt < 100; ++attempt) {
    const StopAfterARow later(stopped, attempt);
    const std::string message = message_of([&] { run_recipe(recipe, stopped); });
    if (message == "no error") break;
    holds(message, "stopped");
    ++stops;
  }
  EXPECT_GT(stops, 1);
  EXPECT_EQ(rows_of(whole), rows_of(stopped));
  for (const char* name : {"model.safetensors", "optimizer.safetensors"})
    EXPECT_TRUE(base::read_file(base::join_path(checkpoint_of(whole, "sft"), name)) ==
                base::read_file(base::join_path(checkpoint_of(stopped, "sft"), name)))
        << name;
}

TEST_F(SftOnFiles, ARunDoesNotGoOnWithOtherRows) {
  const std::string dir = fresh_dir("sft_files_changed"), rows = twenty_rows();
  const auto go = [&] { return message_of([&] { run_recipe(on(rows, {"sft.train.batch_tokens=128"}), dir); }); };
  base::request_stop();
  holds(go(), "stopped while sft.data was read");
  EXPECT_FALSE(base::is_directory(dir));
  base::clear_stop();
  {
    const StopAfterARow later(dir, 0);
    holds(go(), "stopped in stage sft after step");
  }
  const std::string before = base::read_file(rows);
  base::write_file_atomic(rows, before + R"({"text":"one more"})" + "\n");
  holds(go(), "other tokens than those that this run began with");
  base::write_file_atomic(rows, before + "\n");  // an empty line is no row
  EXPECT_EQ(go(), "no error");
  EXPECT_EQ(notes_of(dir).size(), 1u);
}

TEST_F(SftOnFiles, StandsBesideSolutionsAndPractice) {
  const std::string dir = fresh_dir("sft_files_mixed");
  const Recipe mixed =
      recipe({"stages=[sft,report]", "sft.data=" + twenty_rows(), "sft.data_share=0.25", "sft.train.steps=4"});
  run_recipe(mixed, dir);
  const eval::Rows metrics = eval::read_rows(base::join_path(dir, "metrics.jsonl"));
  EXPECT_EQ(metrics.accuracy.size(), 1u);
  ASSERT_EQ(metrics.data.size(), 1u);
  EXPECT_EQ(metrics.data[0].task, "svamp");
  EXPECT_EQ(metrics.data[0].overlap, 0);
  // Without the files the same solutions and practice fill the batch.
  const std::string other = fresh_dir("sft_files_unmixed");
  run_recipe(recipe({"stages=[sft,report]", "sft.train.steps=4"}), other);
  const double tokens = static_cast<double>(eval::read_rows(base::join_path(other, "metrics.jsonl")).train[3].tokens);
  EXPECT_NEAR(static_cast<double>(metrics.train[3].tokens), tokens, 0.1 * tokens);
}

TEST_F(SftOnFiles, TrainsAnAdapter) {
  const std::string dir = fresh_dir("sft_files_adapter");
  run_recipe(on(twenty_rows(), {"init.lora.r=4", "sft.train.learner.optimizer.kind=adamw"}), dir);
  const eval::Rows metrics = eval::read_rows(base::join_path(dir, "metrics.jsonl"));
  EXPECT_LT(metrics.train.back().loss, metrics.train.front().loss);
  EXPECT_TRUE(base::file_exists(base::join_path(checkpoint_of(dir, "sft"), "adapter_model.safetensors")));
}

TEST_F(SftOnFiles, ThePlanSaysWhatIsRead) {
  const Recipe recipe = on(twenty_rows(), {"device=cpu"});
  const std::string dir = fresh_dir("sft_files_plan");
  const base::Json plan = to_json(make_plan(recipe, dir));
  const TrainingFiles files = read_training_files(recipe);
  EXPECT_EQ(plan.at("sft_data").int_at("rows"), 20);
  EXPECT_EQ(plan.at("sft_data").int_at("tokens"), files.tokens);
  EXPECT_EQ(plan.at("stages").as_array()[0].int_at("tokens"), recipe.sft.train.steps * recipe.sft.train.batch_tokens);
  testing::internal::CaptureStdout();
  print_plan(recipe, dir, false);
  holds(testing::internal::GetCapturedStdout(), "sft.data  " + summary_of(files, recipe));
}

TEST_F(SftOnFiles, ParquetIsReadOrItSaysHow) {
  const std::string parquet = "tests/data/parquet/prompt-completion.parquet";
  if (store::has_parquet())
    EXPECT_EQ(read_training_files(on(parquet)).checksum,
              read_training_files(on("tests/data/parquet/prompt-completion.jsonl")).checksum);
  else
    holds(refusal(parquet), "PONDER_PARQUET=ON");
}

TEST_F(SftOnFiles, WhatDoesNotGoTogetherIsRefused) {
  holds(message_of([&] { load_recipe("recipes/micro.yaml", {"sft.data=x.jsonl"}); }), "name one with init.from");
  holds(error_of({"sft.solutions=[]"}), "files in sft.data");
  holds(error_of({"sft.eval_problems=0", "stages=[sft]", "rl.mix.tasks=countdown3"}), "no error");
  holds(error_of({"stages=[sft]", "rl.mix.tasks=countdown3"}), "rl.mix.tasks names countdown3");
}

}  // namespace
}  // namespace ponder::recipes
