#include "ponder/tasks/word_codec.h"

#include <algorithm>

#include "ponder/base/error.h"
#include "ponder/tasks/dataset.h"
#include "ponder/tasks/math.h"
#include "ponder/text/chat_encode.h"

namespace ponder::tasks {
namespace {

using text::JinjaPiece;

constexpr const char* kQuestion = "Question: ";
constexpr const char* kAnswer = "\nAnswer:";

JinjaPiece own(std::string text) { return {std::move(text), false, false}; }
JinjaPiece input(std::string text) { return {std::move(text), true, false}; }

std::string trimmed(const std::string& s) {
  constexpr const char* kSpace = " \t\r\n";
  const size_t first = s.find_first_not_of(kSpace);
  return first == std::string::npos ? "" : s.substr(first, s.find_last_not_of(kSpace) - first + 1);
}

std::optional<AnswerPlace> place_of(const std::string& name) {
  if (name == "boxed") return AnswerPlace::kBoxed;
  if (name == "hashes") return AnswerPlace::kHashes;
  if (name == "whole") return AnswerPlace::kWhole;
  if (name == "lenient") return AnswerPlace::kLenient;
  return std::nullopt;
}

const DatasetTask* math_task(const core::Problem& problem) {
  return problem.task.empty() ? nullptr : dynamic_cast<const DatasetTask*>(&find_task(problem.task));
}

// What a tokenizer puts in front of every text.
core::Tokens tokens_in_front(const text::Tokenizer& tokenizer) {
  const text::Encoding encoding = tokenizer.encode_with_ranges("x", {.add_special = true});
  const auto first = std::ranges::find_if(encoding.ranges, [](const text::ByteRange& r) { return r.begin < r.end; });
  core::Tokens front(encoding.ids.begin(), encoding.ids.begin() + (first - encoding.ranges.begin()));
  std::erase_if(front, [&](core::Token id) { return !tokenizer.is_special(id); });  // a space is part of the text
  return front;
}

core::Tokens encode(const text::Tokenizer& tokenizer, const std::vector<JinjaPiece>& pieces) {
  return text::encode_chat(pieces, text::chat_encoder(tokenizer)).ids;
}

// The last pieces of a text, from its last special token on.
std::vector<JinjaPiece> from_last_special(const text::Tokenizer& tokenizer, const std::vector<JinjaPiece>& pieces) {
  const text::ChatIds ids = text::encode_chat(pieces, text::chat_encoder(tokenizer));
  size_t begin = 0;
  for (size_t i = 0; i < ids.ids.size(); ++i)
    if (tokenizer.is_special(ids.ids[i])) begin = ids.ranges[i].first;
  std::vector<JinjaPiece> last;
  for (const JinjaPiece& piece : pieces) {
    if (begin < piece.text.size()) last.push_back({piece.text.substr(begin), piece.is_input, piece.is_generation});
    begin -= std::min(begin, piece.text.size());
  }
  return last;
}

// The ids of `text` behind other text; nothing when one of them has a part in both.
std::optional<core::Tokens> behind(const text::Tokenizer& tokenizer, std::vector<JinjaPiece> before,
                                   const std::vector<JinjaPiece>& text) {
  const size_t border = text::joined_text(before).size();
  for (const JinjaPiece& piece : text)
    if (!piece.text.empty()) before.push_back(piece);
  const text::ChatIds ids = text::encode_chat(before, text::chat_encoder(tokenizer));
  core::Tokens tokens;
  for (size_t i = 0; i < ids.ids.size(); ++i) {
    const auto [begin, end] = ids.ranges[i];
    if (begin < border && end > border) return std::nullopt;
    if (begin >= border) tokens.push_back(ids.ids[i]);
  }
  return tokens;
}

}  // namespace

std::tm fixed_date() {
  std::tm date{};
  date.tm_year = 125, date.tm_mon = 0, date.tm_mday = 1, date.tm_wday = 3;  // a Wednesday
  return date;
}

core::Token end_token(const WordModel& model) {
  const core::Token eos = model.tokenizer->special_ids().eos;
  if (eos >= 0) return eos;
  if (model.ends.empty())
    throw Error(ErrorCode::kInput, "neither the model's configuration nor its tokenizer names an end token",
                model.path);
  return model.ends[0];
}

WordCodec::WordCodec(WordModel model, const WordOptions& options)
    : model_(std::move(model)),
      place_(place_of(options.answer)),
      ask_(options.ask),
      system_(options.system),
      stop_(*model_.tokenizer, {}) {
  const bool has_template = !model_.chat.templates.empty();
  style_ = options.style != "auto" ? options.style : has_template ? "chat" : "few-shot";
  if (style_ == "chat" && !has_template)
    throw Error(ErrorCode::kUsage, "style=chat, and the model has no chat template; it has style=few-shot or plain",
                model_.path);
  if (style_ == "chat") template_.emplace(model_.chat, model_.path);
  if (style_ == "few-shot") read_examples(options);
  set_turn();
  set_ends(options);
  const text::Tokenizer& tokenizer = *model_.tokenizer;
  for (size_t id = 0; id < tokenizer.size(); ++id)
    if (const auto token = static_cast<core::Token>(id); tokenizer.token_bytes(token).ends_with('\n'))
      line_ends_.push_back(token);
}

void WordCodec::read_examples(const WordOptions& options) {
  std::vector<WorkedExample> examples;
  if (options.examples.empty()) examples = model_.examples.empty() ? worked_examples() : model_.examples;
  if (options.examples.empty() && options.shots > static_cast<int64_t>(examples.size()))
    throw Error(ErrorCode::kUsage, base::cat("shots=", options.shots, ", and there are ", examples.size(),
                                             " worked examples; a file of yours may have more (examples)"));
  if (!options.examples.empty())
    base::read_jsonl(options.examples, [&](base::Json&& row, int64_t line) {
      const auto text = [&](const char* key) {
        const base::Json* value = row.is_object() ? row.find(key) : nullptr;
        const std::string found = value && value->is_string() ? trimmed(value->as_string()) : "";
        if (found.empty())
          throw Error(
              ErrorCode::kInput,
              base::cat("an example has a \"question\" and a \"solution\", both texts; \"", key, "\" is none here"),
              base::cat(options.examples, ":", line));
        return found;
      };
      examples.push_back({text("question"), text("solution")});
    });
  if (examples.empty()) throw Error(ErrorCode::kInput, "there is no example in the file", options.examples);
  examples.resize(std::min(examples.size(), static_cast<size_t>(options.shots)));
  for (const WorkedExample& e : examples)
    base::append(shots_, base::cat(kQuestion, e.question, kAnswer, " ", e.solution, "\n\n"));
}

// ---- What a model reads --------------------------------------------------------------------------------------------

std::vector<JinjaPiece> WordCodec::plain_pieces(const std::string& question) const {
  std::vector<JinjaPiece> pieces;
  if (!shots_.empty()) pieces.push_back(input(shots_));  // they may be a user's
  pieces.push_back(own(kQuestion));
  pieces.push_back(input(question));
  pieces.push_back(own(kAnswer));
  return pieces;
}

// reply: the assistant's turn; null: the prompt for it.
std::vector<JinjaPiece> WordCodec::chat_pieces(const std::string& question, const std::string* reply) const {
  std::vector<Said> said = {{"user", question}};
  if (reply) said.push_back({"assistant", *reply});
  return chat_pieces(said, !reply);
}

std::vector<JinjaPiece> WordCodec::chat_pieces(const std::vector<Said>& said, bool wants_reply) const {
  text::Chat chat;
  const auto say = [&](const char* role, const std::string& text) {
    base::Json message = base::Json::object();
    message["role"] = role, message["content"] = text;
    chat.messages.push_back(std::move(message));
  };
  if (!system_.empty()) say("system", system_);
  for (const Said& one : said) say(one.role, one.text);
  chat.add_generation_prompt = wants_reply;
  return template_->render(chat, fixed_date());
}

// The question, in a chat with where its answer is to stand.
std::string WordCodec::asked(const core::Problem& problem) const {
  const std::string question = trimmed(problem.question);
  if (style_ != "chat" || ask_ == "none") return question;
  if (ask_ != "auto") return base::cat(question, "\n\n", ask_);
  if (!math_task(problem)) return question;
  return base::cat(question, "\n\n",
                   place_ == AnswerPlace::kHashes
                       ? "Think step by step. End with a line that has \"####\" and then the answer alone."
                       : "Think step by step, and put your final answer within \\boxed{}.");
}

core::Tokens WordCodec::prompt(const core::Problem& problem) const {
  const std::string question = asked(problem);
  if (question.empty()) throw Error(ErrorCode::kInput, "the problem has no question that could be read", problem.id);
  core::Tokens tokens = prompt_ids(style_ == "chat" ? chat_pieces(question, nullptr) : plain_pieces(question));
  if (static_cast<int64_t>(tokens.size()) >= model_.context)
    throw Error(ErrorCode::kInput,
                base::cat("the prompt has ", tokens.size(), " tokens; this model reads 1 to ", model_.context - 1,
                          " and writes the rest", shots_.empty() ? "" : "; fewer shots make it shorter"),
                problem.id);
  return tokens;
}

core::Tokens WordCodec::prompt_ids(const std::vector<JinjaPiece>& pieces) const {
  core::Tokens tokens;
  if (style_ != "chat") tokens = tokens_in_front(*model_.tokenizer);  // a template writes them itself
  const core::Tokens text = encode(*model_.tokenizer, pieces);
  tokens.insert(tokens.end(), text.begin(), text.end());
  return tokens;
}

// ---- What it is asked about its own work --------------------------------------------------------------------------

namespace {

const char* words_for(core::Ask ask) {
  switch (ask) {
    case core::Ask::kJudge:
      return "Do these steps lead to the right answer? Say sure, likely or impossible.";
    case core::Ask::kVote:
      return "Which of these ways to go on is the best one? Say its number.";
    case core::Ask::kFeedback:
      return "Is this answer right? Begin with yes or no. If it is not, say what is wrong with it.";
    case core::Ask::kRate:
      return "How good is this answer? Say a number from 0 to 100.";
    case core::Ask::kRevise:
      return "Solve the problem once more, and mend what is wrong.";
    case core::Ask::kPlan:
      return "Which simpler questions must be answered first? Write them down in order, one a line.";
    case core::Ask::kNext:
      return "Which simpler question should be answered next? Write down that question alone.";
    case core::Ask::kUseful:
      return "Does it help to answer this question next? Say yes or no.";
    case core::Ask::kRephrase:
      return "Write down the problem in other words, with all its numbers and its question.";
    case core::Ask::kTrue:
      return "Is this answer right? Say yes or no.";
    case core::Ask::kPart:
    case core::Ask::kConclude:
      break;  // what is asked stands in the texts, or is the problem itself
  }
  return "";
}

// What was written for the problem, or the questions on the way to it.
bool is_about_an_answer(core::Ask ask) {
  return ask != core::Ask::kPlan && ask != core::Ask::kPart && ask != core::Ask::kConclude && ask != core::Ask::kNext &&
         ask != core::Ask::kUseful && ask != core::Ask::kRephrase;
}

}  // namespace

// The problem, what was written, what is asked about it. A revision and a conclusion are written as an answer to the
// problem is, the former behind its first version and the feedback on that, the latter behind what is known by then.
std::vector<JinjaPiece> WordCodec::asking_pieces(const std::string& question, const core::Asking& asking) const {
  if (!is_about_an_answer(asking.ask)) return part_pieces(question, asking);
  const auto text = [&](size_t i) { return i < asking.texts.size() ? trimmed(shown(asking.texts[i])) : ""; };
  std::string written = text(0), ask = words_for(asking.ask);
  if (asking.ask == core::Ask::kVote) {
    written.clear();
    for (size_t i = 0; i < asking.texts.size(); ++i)
      base::append(written, base::cat(i == 0 ? "" : "\n\n", i + 1, ". ", text(i)));
  }
  const std::string feedback = asking.ask == core::Ask::kRevise ? text(1) : "";
  if (style_ == "chat") {
    if (!feedback.empty()) ask = base::cat(feedback, "\n\n", ask);
    return chat_pieces({{"user", question}, {"assistant", written}, {"user", ask}}, true);
  }
  std::vector<JinjaPiece> pieces = plain_pieces(question);
  pieces.push_back(input(base::cat(" ", written)));
  if (asking.ask != core::Ask::kRevise) {
    pieces.push_back(own(base::cat("\n\n", ask, "\nReply:")));
    return pieces;
  }
  if (!feedback.empty()) {
    pieces.push_back(own("\n\nFeedback: "));
    pieces.push_back(input(feedback));
  }
  pieces.push_back(own(base::cat("\n\n", kQuestion)));
  pieces.push_back(input(question));
  pieces.push_back(own(kAnswer));
  return pieces;
}

// Questions on the way to a problem, and the problem behind their answers.
std::vector<JinjaPiece> WordCodec::part_pieces(const std::string& question, const core::Asking& asking) const {
  const auto text = [&](size_t i) { return i < asking.texts.size() ? trimmed(asking.texts[i]) : ""; };
  const std::string known = text(0), part = text(1);
  std::string ask = asking.ask == core::Ask::kPart ? part : words_for(asking.ask);
  if (asking.ask == core::Ask::kUseful) ask = base::cat(part, "\n\n", ask);
  const std::string so_far = known.empty() ? "" : base::cat("\n\n", known);
  if (style_ == "chat") {
    const std::string end = asking.ask == core::Ask::kConclude ? "" : base::cat("\n\n", ask);
    return chat_pieces({{"user", base::cat(question, so_far, end)}}, true);
  }
  std::vector<JinjaPiece> pieces;
  if (!shots_.empty() && asking.ask == core::Ask::kConclude) pieces.push_back(input(shots_));
  pieces.push_back(own(kQuestion));
  pieces.push_back(input(base::cat(question, so_far)));
  if (asking.ask == core::Ask::kConclude) {
    pieces.push_back(own(kAnswer));
    return pieces;
  }
  pieces.push_back(own("\n\n"));
  pieces.push_back(input(ask));
  pieces.push_back(own("\nReply:"));
  return pieces;
}

std::optional<core::Tokens> WordCodec::asking(const core::Problem& problem, const core::Asking& asking) const {
  core::Problem meant = problem;
  const size_t place = asking.ask == core::Ask::kPart ? 2 : 1;  // of the problem in other words
  const bool may_have =
      asking.ask == core::Ask::kPart || asking.ask == core::Ask::kConclude || asking.ask == core::Ask::kNext;
  if (may_have && asking.texts.size() > place && !trimmed(asking.texts[place]).empty())
    meant.question = trimmed(asking.texts[place]);
  core::Tokens tokens = prompt_ids(asking_pieces(asked(meant), asking));
  if (static_cast<int64_t>(tokens.size()) >= model_.context) tokens.clear();
  return tokens;
}

// ---- What it is to write ------------------------------------------------------------------------------------------

void WordCodec::set_turn() {
  if (style_ == "chat") return set_chat_turn();
  turn_.before = {own(kAnswer)};
  turn_.lead = " ";
  turn_.end = end_token(model_);
}

// A template shows in a rendered reply what it writes around one. Some render a reply otherwise than behind their own
// prompt (they drop its thoughts): then nothing stands around it.
void WordCodec::set_chat_turn() {
  const text::Tokenizer& tokenizer = *model_.tokenizer;
  const std::string reply = "Reply";
  const std::vector<JinjaPiece> pieces = chat_pieces("Q", nullptr);
  turn_.before = from_last_special(tokenizer, pieces);
  turn_.end = end_token(model_);
  const std::string prompt = text::joined_text(pieces);
  const size_t thought = prompt.rfind("<think>");
  ends_.opens_thought = thought != std::string::npos && prompt.find("</think>", thought) == std::string::npos;
  const std::string whole = text::joined_text(chat_pieces("Q", &reply));
  const size_t at = whole.find(reply, std::min(prompt.size(), whole.size()));
  if (!whole.starts_with(prompt) || at == std::string::npos) {
    if (ends_.opens_thought) turn_.lead = "\n</think>\n\n";
    return;
  }
  turn_.lead = whole.substr(prompt.size(), at - prompt.size());
  const std::string behind = whole.substr(at + reply.size());
  const text::Encoding encoding = tokenizer.encode_with_ranges(behind, {.add_special = false, .parse_special = true});
  for (size_t i = 0; i < encoding.ids.size(); ++i) {
    const core::Token id = encoding.ids[i];
    if (!tokenizer.is_special(id) && std::ranges::count(model_.ends, id) == 0) continue;
    turn_.end = id;
    turn_.trail = behind.substr(0, encoding.ranges[i].begin);
    return;
  }
}

core::Tokens WordCodec::response(const std::string& solution) const {
  const std::vector<JinjaPiece> reply = {own(turn_.lead), input(trimmed(solution)), own(turn_.trail)};
  core::Tokens tokens = reply_behind(turn_.before, reply);
  tokens.push_back(turn_.end);
  return tokens;
}

core::Tokens WordCodec::reply_behind(const std::vector<JinjaPiece>& before,
                                     const std::vector<JinjaPiece>& reply) const {
  auto tokens = behind(*model_.tokenizer, before, reply);
  // Where a token would reach over from what is read before: as behind any line.
  if (!tokens) tokens = behind(*model_.tokenizer, {own("\n")}, reply);
  if (!tokens) tokens = behind(*model_.tokenizer, {}, reply);
  return *tokens;
}

// ---- What it has written ------------------------------------------------------------------------------------------

// All that ends a completion: the engine knows the configuration's end tokens, the rest are stop texts.
void WordCodec::set_ends(const WordOptions& options) {
  const text::Tokenizer& tokenizer = *model_.tokenizer;
  ends_.texts = options.stop;
  if (style_ == "few-shot") ends_.texts.push_back(base::cat("\n", trimmed(kQuestion)));  // of a next question
  core::Tokens ends = model_.ends;
  if (std::ranges::count(ends, turn_.end) == 0) ends.push_back(turn_.end);
  std::vector<std::string> stops = ends_.texts;
  for (const core::Token end : ends) {
    const std::string spelling = tokenizer.token_bytes(end);
    if (spelling.empty()) continue;
    ends_.tokens.push_back(spelling);
    if (std::ranges::count(model_.ends, end) == 0) stops.push_back(spelling);
  }
  stop_ = text::StopTexts(tokenizer, stops);
}

std::optional<std::string> WordCodec::claimed(const std::string& completion) const {
  std::optional<std::string> claim = claim_of(read_words(completion, ends_));
  if (!claim || !place_) return claim;
  const auto found = math_answer(*claim, *place_);
  return found ? std::optional(found->written) : std::nullopt;
}

const char* WordCodec::no_answer() const {
  return "it is empty, was cut off before it gave its answer, or thinks to its end";
}

std::optional<std::string> WordCodec::answer(const core::Problem& problem, core::TokenSpan completion) const {
  const std::optional<std::string> claim = claimed(decode(completion));
  if (!claim) return std::nullopt;
  const DatasetTask* task = math_task(problem);
  if (!task && !problem.task.empty()) return claim;
  const auto found = math_answer(*claim, place_ || !task ? AnswerPlace::kWhole : task->place());
  if (!found) return task ? std::nullopt : claim;
  const bool is_all = !task && !found->is_number && found->written == *claim;  // words, read as a formula
  return is_all ? claim : found->canonical;
}

int64_t WordCodec::thought_length(core::TokenSpan completion) const {
  const std::string text = decode(completion);
  const size_t begin = answer_begin(read_words(text, ends_));
  size_t tokens = 0, most = completion.size();  // the most tokens that end at or before the answer's beginning
  while (tokens < most) {
    const size_t middle = (tokens + most + 1) / 2;
    if (decode(completion.first(middle)).size() <= begin)
      tokens = middle;
    else
      most = middle - 1;
  }
  return static_cast<int64_t>(tokens);
}

core::Tokens WordCodec::on_a_new_line(core::TokenSpan thought, const std::string& text) const {
  const std::string before = decode(thought);
  if (before.empty()) return reply_behind(turn_.before, {own((ends_.opens_thought ? "" : turn_.lead) + text)});
  return before.ends_with('\n') ? reply_behind({own("\n")}, {own(text)}) : reply_behind({own("x")}, {own("\n" + text)});
}

core::Tokens WordCodec::think_on(core::TokenSpan thought) const { return on_a_new_line(thought, "Wait,"); }

core::Tokens WordCodec::answer_now(core::TokenSpan thought) const {
  const AnswerPlace place = place_.value_or(style_ == "chat" ? AnswerPlace::kBoxed : AnswerPlace::kHashes);
  std::string text = place == AnswerPlace::kBoxed    ? "\\boxed{"
                     : place == AnswerPlace::kHashes ? "####"
                                                     : "The answer is";
  if (read_words(decode(thought), ends_).thinks) text.insert(0, "</think>\n\n");
  return on_a_new_line(thought, text);
}

std::string WordCodec::thought(const std::string& completion) const {
  return thought_in(read_words(completion, ends_));
}

text::BehaviourCounts WordCodec::behaviours(const std::string& completion) const {
  const WordReading reading = read_words(completion, ends_);
  text::BehaviourCounts counts = behaviours_in(reading.body);
  counts.answered = claimed(completion).has_value();
  counts.tokens =
      static_cast<int64_t>(model_.tokenizer->encode(completion, {.add_special = false, .parse_special = true}).size());
  return counts;
}

std::string WordCodec::shown(const std::string& completion) const {
  return std::string(read_words(completion, ends_).body);
}

}  // namespace ponder::tasks
