#include "ponder/craft/chat_examples.h"

#include <algorithm>
#include <optional>

#include "ponder/base/error.h"

namespace ponder::craft {
namespace {

using base::Json;
using text::JinjaPiece;

[[noreturn]] void fail(const TrainingRow& row, const std::string& message) {
  throw Error(ErrorCode::kInput, message, row.where);
}

core::Example weighted(const text::ChatIds& ids, double weight) {
  core::Example out;
  out.tokens = ids.ids;
  for (size_t i = 0; i < ids.ids.size(); ++i)
    out.weights.push_back(i > 0 && ids.is_generation[i] ? static_cast<float>(weight) : 0.0F);
  return out;
}

// --- Conversations.

class Conversation {
 public:
  Conversation(const TrainingRow& row, const ExampleSetting& setting, const Json::Array& messages)
      : row_(row), setting_(setting), messages_(messages) {
    if (!setting.chat_template)
      fail(row, "the row holds messages and the model has no chat template; give it rows of text or a template");
  }

  // learned_from: the first message that may be learned.
  std::vector<core::Example> examples(size_t learned_from) const {
    const std::vector<JinjaPiece> whole = render(messages_.size(), false);
    const std::optional<std::vector<JinjaPiece>> marked = marked_whole(whole, learned_from);
    if (marked) return {example(*marked)};
    std::vector<core::Example> out;
    for (const size_t i : assistant_turns(learned_from))
      if (const auto turn = render_turn(i, whole)) out.push_back(example(marked_turn(*turn)));
    return out;
  }

  std::vector<JinjaPiece> render(size_t count, bool with_prompt) const {
    text::Chat chat;
    chat.messages = Json(Json::Array(messages_.begin(), messages_.begin() + static_cast<std::ptrdiff_t>(count)));
    chat.tools = row_.tools;
    if (const Json* extra = row_.extra.find("chat_template_kwargs"); extra && extra->is_object()) chat.extra = *extra;
    chat.add_generation_prompt = with_prompt;
    return setting_.chat_template->render(chat, setting_.now, setting_.trusted_roles);
  }

 private:
  // The conversation up to an assistant's turn, and where in its text the turn begins.
  struct Turn {
    std::vector<JinjaPiece> pieces;
    std::string text;
    size_t begin = 0;
  };

  core::Example example(const std::vector<JinjaPiece>& pieces) const {
    return weighted(text::encode_chat(pieces, setting_.encoder), row_.weight);
  }

  std::vector<size_t> assistant_turns(size_t from) const {
    std::vector<size_t> out;
    for (size_t i = from; i < messages_.size(); ++i) {
      const Json* role = messages_[i].find("role");
      if (role && role->is_string() && role->as_string() == "assistant") out.push_back(i);
    }
    return out;
  }

  // The turn is what its rendering adds behind the prompt for it. None of message 0 whose prompt, a conversation
  // without messages, the template cannot render or fills with something of its own.
  std::optional<Turn> render_turn(size_t i, const std::vector<JinjaPiece>& whole) const {
    Turn turn;
    turn.pieces = i + 1 == messages_.size() ? whole : render(i + 1, false);
    turn.text = text::joined_text(turn.pieces);
    try {
      const std::string prompt = text::joined_text(render(i, true));
      turn.begin = prompt.size();
      if (turn.text.starts_with(prompt)) return turn;
    } catch (const Error& e) {
      if (i > 0 || e.code() != ErrorCode::kInput) throw;
    }
    if (i == 0) return std::nullopt;
    fail(row_, base::cat("the chat template asks for message ", i,
                         " otherwise than it renders it: the prompt is no beginning of the conversation up to it, so "
                         "what the assistant wrote cannot be told; ",
                         setting_.chat_template->has_generation()
                             ? "give the row as one conversation, of which all is learned that the template marks"
                             : "use a template with {% generation %}"));
  }

  // The whole conversation with what is learned marked in it. None where the template changes what came before, so that
  // what was rendered up to a turn is no beginning of the whole.
  std::optional<std::vector<JinjaPiece>> marked_whole(const std::vector<JinjaPiece>& whole, size_t learned_from) const {
    const std::string text = text::joined_text(whole);
    if (setting_.chat_template->has_generation()) {
      const std::string prompt = learned_from == 0 ? "" : text::joined_text(render(learned_from, false));
      if (!text.starts_with(prompt)) return std::nullopt;
      return unmarked_before(whole, prompt.size());
    }
    const std::vector<size_t> turns = assistant_turns(learned_from);
    std::vector<std::pair<size_t, size_t>> spans;
    for (const size_t i : turns) {
      const std::optional<Turn> turn = render_turn(i, whole);
      if (turn && !text.starts_with(turn->text)) return std::nullopt;
      if (turn) spans.emplace_back(turn->begin, turn->text.size());
    }
    if (!turns.empty() && spans.empty())
      fail(row_,
           "the assistant's only turn is the first message, and the chat template makes no prompt of a conversation "
           "without messages that the turn goes on from; put a message before it");
    return marked(whole, spans);
  }

  std::vector<JinjaPiece> marked_turn(const Turn& turn) const {
    return setting_.chat_template->has_generation() ? unmarked_before(turn.pieces, turn.begin)
                                                    : marked(turn.pieces, {{turn.begin, turn.text.size()}});
  }

  // What a template marked inside of the prompt is not learned.
  static std::vector<JinjaPiece> unmarked_before(const std::vector<JinjaPiece>& pieces, size_t begin) {
    size_t at = 0;
    std::vector<JinjaPiece> out;
    for (const JinjaPiece& piece : pieces) {
      const size_t inside = at >= begin ? 0 : std::min(piece.text.size(), begin - at);
      at += piece.text.size();
      if (inside > 0) out.push_back({piece.text.substr(0, inside), piece.is_input, false});
      if (inside < piece.text.size()) out.push_back({piece.text.substr(inside), piece.is_input, piece.is_generation});
    }
    return out;
  }

  // The pieces cut at the ends of the spans; those inside count as generated. Spans are in order.
  static std::vector<JinjaPiece> marked(const std::vector<JinjaPiece>& pieces,
                                        const std::vector<std::pair<size_t, size_t>>& spans) {
    std::vector<JinjaPiece> out;
    size_t at = 0, next = 0;
    for (const JinjaPiece& piece : pieces) {
      for (size_t from = 0; from < piece.text.size();) {
        while (next < spans.size() && spans[next].second <= at + from) ++next;
        const bool is_any = next < spans.size();
        const bool is_inside = is_any && spans[next].first <= at + from;
        const size_t border = !is_any ? piece.text.size() : (is_inside ? spans[next].second : spans[next].first) - at;
        const size_t to = std::min(piece.text.size(), border);
        out.push_back({piece.text.substr(from, to - from), piece.is_input, is_inside});
        from = to;
      }
      at += piece.text.size();
    }
    return out;
  }

  const TrainingRow& row_;
  const ExampleSetting& setting_;
  const Json::Array& messages_;
};

// --- Plain texts.

core::Example text_example(const TrainingRow& row, const std::string& prompt, const std::string& answer,
                           const ExampleSetting& setting) {
  // One text, so that tokens may reach over the border; a token with a part of the answer is learned.
  std::vector<JinjaPiece> pieces;
  if (!prompt.empty()) pieces.push_back({prompt, true, false});
  if (!answer.empty()) pieces.push_back({answer, true, true});
  text::ChatIds ids = text::encode_chat(pieces, setting.encoder);
  const auto add = [&](core::Token id, bool at_end) {
    if (id < 0) return;
    ids.ids.insert(at_end ? ids.ids.end() : ids.ids.begin(), id);
    ids.is_generation.insert(at_end ? ids.is_generation.end() : ids.is_generation.begin(), at_end);
  };
  add(setting.bos, false);
  add(setting.eos, true);
  return weighted(ids, row.weight);
}

std::vector<core::Example> joined_examples(const TrainingRow& row, const RowContent& prompt, const RowContent& answer,
                                           const ExampleSetting& setting) {
  if (!answer.is_chat) return {text_example(row, prompt.text, answer.text, setting)};
  Json::Array messages = prompt.messages.as_array();
  const size_t learned_from = messages.size();
  messages.insert(messages.end(), answer.messages.as_array().begin(), answer.messages.as_array().end());
  return Conversation(row, setting, messages).examples(learned_from);
}

}  // namespace

std::vector<core::Example> training_examples(const TrainingRow& row, const ExampleSetting& setting) {
  switch (row.type) {
    case RowType::kText:
    case RowType::kPromptCompletion:
    case RowType::kUnpaired:
      return joined_examples(row, row.prompt, row.completion, setting);
    default:
      fail(row, base::cat("a row of type ", row_type_name(row.type),
                          " is not learned as it stands; text, prompt-completion and unpaired rows are"));
  }
}

PreferencePair preference_examples(const TrainingRow& row, const ExampleSetting& setting) {
  if (row.type != RowType::kPreference)
    fail(row, base::cat("expected a preference row, found ", row_type_name(row.type)));
  return {joined_examples(row, row.prompt, row.chosen, setting),
          joined_examples(row, row.prompt, row.rejected, setting)};
}

StepwiseExample stepwise_example(const TrainingRow& row, const ExampleSetting& setting) {
  if (row.type != RowType::kStepwise) fail(row, base::cat("expected a stepwise row, found ", row_type_name(row.type)));
  std::vector<JinjaPiece> pieces;
  if (row.prompt.is_chat) {
    const Json::Array& messages = row.prompt.messages.as_array();
    pieces = Conversation(row, setting, messages).render(messages.size(), true);
  } else {
    pieces.push_back({row.prompt.text + "\n", true, false});
  }
  StepwiseExample out;
  out.labels = row.step_labels;
  const auto append = [&](const std::vector<JinjaPiece>& more) {
    const core::Tokens ids = text::encode_chat(more, setting.encoder).ids;
    out.tokens.insert(out.tokens.end(), ids.begin(), ids.end());
  };
  if (setting.bos >= 0 && !row.prompt.is_chat) out.tokens.push_back(setting.bos);
  append(pieces);
  // Each step by itself, as a critic meets it: a step's tokens do not depend on the next one.
  for (const std::string& step : row.steps) {
    append({{step + "\n", true, false}});
    out.step_ends.push_back(out.tokens.size());
  }
  return out;
}

}  // namespace ponder::craft
