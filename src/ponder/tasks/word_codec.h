// How a model that writes words meets problems: behind worked examples, in its chat template, or as "Question: …
// Answer:" as it is trained on solutions. For real models; the procedural tasks' own language has text/format.h.
#pragma once
#include <ctime>
#include <memory>

#include "ponder/tasks/math_extract.h"
#include "ponder/tasks/math_prompt.h"
#include "ponder/tasks/word_answers.h"
#include "ponder/tasks/word_options.h"
#include "ponder/text/chat_template.h"
#include "ponder/text/stop_strings.h"

namespace ponder::tasks {

// What a codec must know of its model.
struct WordModel {
  std::shared_ptr<const text::Tokenizer> tokenizer;
  text::ChatTemplateSource chat;             // without templates: a base model
  core::Tokens ends;                         // its end tokens, as its configuration has them
  int64_t context = 0;                       // tokens
  std::string path;                          // for messages
  std::vector<WorkedExample> examples = {};  // for few-shot, where the options name no file; empty: ponder's own
};

// The date that templates may tell: 1 January 2025, whenever it is, so that a prompt and what is learned stay the same.
std::tm fixed_date();
// What a text of the model ends with: its tokenizer's end token, else the first of its configuration. Error(kInput)
// when neither names one.
core::Token end_token(const WordModel& model);

// A user's text is never a special token.
class WordCodec : public text::ProblemCodec {
 public:
  // Error(kInput): a file of examples that cannot be read, a template that refuses, a model without an end token;
  // Error(kUsage): style=chat without a template, more shots than there are examples, a stop text that cannot be one.
  WordCodec(WordModel model, const WordOptions& options);
  const std::string& style() const { return style_; }  // plain, few-shot or chat

  std::string decode(core::TokenSpan tokens) const override { return model_.tokenizer->decode_text(tokens); }
  // Equal numbers have one text in math tasks (math_answer); in other tasks the trimmed text. A problem without a task
  // has the answer in a box or behind "####", else all that was said.
  std::optional<std::string> answer(const core::Problem& problem, core::TokenSpan completion) const override;
  core::Tokens step_ends() const override { return line_ends_; }
  const core::Endings* endings() const override { return stop_.empty() ? nullptr : &stop_; }
  // Up to </think>, else to the last box or "####", else, of what is finished, to the last line.
  int64_t thought_length(core::TokenSpan completion) const override;
  core::Tokens think_on(core::TokenSpan thought) const override;    // "Wait,"
  core::Tokens answer_now(core::TokenSpan thought) const override;  // "####" or a box, behind </think>
  std::string said(core::TokenSpan reply) const override { return shown(decode(reply)); }
  std::optional<core::Tokens> asking(const core::Problem& problem, const core::Asking& asking) const override;

  const text::Tokenizer& tokenizer() const override { return *model_.tokenizer; }
  core::Tokens prompt(const core::Problem& problem) const override;
  // Encoded as it stands behind the prompt, so that both together are the ids of one text.
  core::Tokens response(const std::string& solution) const override;
  std::optional<std::string> claimed(const std::string& completion) const override;
  const char* no_answer() const override;
  std::string thought(const std::string& completion) const override;
  text::BehaviourCounts behaviours(const std::string& completion) const override;
  bool gave_up(core::TokenSpan) const override { return false; }
  std::string shown(const std::string& completion) const override;

 private:
  // What stands around a solution.
  struct Turn {
    std::vector<text::JinjaPiece> before;  // the end of every prompt, from its last special token on
    std::string lead, trail;               // between that and the solution, and behind it up to the end token
    core::Token end = -1;
  };
  void read_examples(const WordOptions& options);
  void set_turn();
  void set_chat_turn();
  void set_ends(const WordOptions& options);
  core::Tokens reply_behind(const std::vector<text::JinjaPiece>& before,
                            const std::vector<text::JinjaPiece>& reply) const;
  core::Tokens on_a_new_line(core::TokenSpan thought, const std::string& text) const;
  std::vector<text::JinjaPiece> plain_pieces(const std::string& question) const;
  struct Said {
    const char* role;
    std::string text;
  };
  std::vector<text::JinjaPiece> chat_pieces(const std::string& question, const std::string* reply) const;
  std::vector<text::JinjaPiece> chat_pieces(const std::vector<Said>& said, bool wants_reply) const;
  std::vector<text::JinjaPiece> asking_pieces(const std::string& question, const core::Asking& asking) const;
  std::vector<text::JinjaPiece> part_pieces(const std::string& question, const core::Asking& asking) const;
  core::Tokens prompt_ids(const std::vector<text::JinjaPiece>& pieces) const;
  std::string asked(const core::Problem& problem) const;

  const WordModel model_;
  std::string style_;
  std::string shots_;  // the worked examples as they stand before a question
  std::optional<AnswerPlace> place_;
  std::string ask_, system_;
  std::optional<text::ChatTemplate> template_;
  Turn turn_;
  WordEnds ends_;
  text::StopTexts stop_;
  core::Tokens line_ends_;
};

}  // namespace ponder::tasks
