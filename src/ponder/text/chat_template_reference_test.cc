// Chat templates against what Jinja2 and transformers made of them (tests/reference/chat_templates.py).
#include <gtest/gtest.h>

#include <cstdlib>

#include "ponder/base/error.h"
#include "ponder/base/file.h"
#include "ponder/text/chat_template.h"
#include "ponder/text/jinja_unicode.h"

namespace ponder::text {
namespace {

using base::Json;

constexpr const char* kData = "tests/data/chat_templates/";

std::tm reference_time() {  // that of the script: Sunday, 2025-03-09 08:05:07
  std::tm now{};
  now.tm_year = 125, now.tm_mon = 2, now.tm_mday = 9, now.tm_hour = 8, now.tm_min = 5, now.tm_sec = 7;
  now.tm_wday = 0, now.tm_yday = 67;
  return now;
}

// The spans of generated text in code points, as transformers counts them.
Json generation_spans(const std::vector<JinjaPiece>& pieces) {
  Json spans;
  int64_t at = 0;
  bool is_open = false;
  for (const JinjaPiece& piece : pieces) {
    const int64_t end = at + static_cast<int64_t>(jinja::count_code_points(piece.text));
    if (piece.is_generation && is_open) {
      spans.as_array().back().as_array()[1] = end;
    } else if (piece.is_generation) {
      spans.push_back(Json::Array{at, end});
    }
    is_open = piece.is_generation;
    at = end;
  }
  return spans;
}

// Neighbouring spans of the reference as one, and without empty ones.
Json joined_spans(const Json& spans) {
  Json out;
  for (const Json& span : spans.as_array()) {
    const int64_t begin = span.as_array()[0].as_int(), end = span.as_array()[1].as_int();
    if (begin == end) continue;
    if (out.size() > 0 && out.as_array().back().as_array()[1].as_int() == begin) {
      out.as_array().back().as_array()[1] = end;
    } else {
      out.push_back(Json::Array{begin, end});
    }
  }
  return out;
}

struct Tally {
  int equal = 0, refused = 0, wrong = 0;
};

// One template with all conversations against the results of the reference.
void compare(const Json& row, const std::string& source, const Json& conversations, Tally& tally) {
  const std::string& name = row.string_at("name");
  ChatTemplateSource model;
  model.templates.push_back({"default", source, name});
  model.special_tokens = {{"bos_token", "<s>"}, {"eos_token", "</s>"}, {"pad_token", "<pad>"}, {"unk_token", "<unk>"}};
  const Json::Array& results = row.at("results").as_array();
  ASSERT_EQ(results.size(), conversations.size());
  for (size_t i = 0; i < results.size(); ++i) {
    const Json* wanted = results[i].find("text");
    std::string found, error;
    Json spans;
    try {
      const Chat chat = parse_chat(conversations.as_array()[i], "conversation");
      const std::vector<JinjaPiece> pieces = ChatTemplate(model, name).render(chat, reference_time());
      found = joined_text(pieces);
      spans = generation_spans(pieces);
    } catch (const Error& e) {
      error = e.what();
    }
    const bool is_right = wanted ? error.empty() && found == wanted->as_string() : !error.empty();
    ++(!is_right ? tally.wrong : wanted ? tally.equal : tally.refused);
    const std::string which = base::cat(name, " conversation ", i);
    if (!wanted) {
      EXPECT_FALSE(error.empty()) << which << ": reference: " << results[i].string_at("error") << "\nhere:\n" << found;
    } else if (!error.empty()) {
      ADD_FAILURE() << which << ": " << error << "\nreference:\n" << wanted->as_string();
    } else {
      EXPECT_EQ(found, wanted->as_string()) << which;
      if (conversations.as_array()[i].find("continue_final_message")) continue;  // the reference has no spans then
      const Json* wanted_spans = results[i].find("generation");
      EXPECT_EQ(spans, wanted_spans ? joined_spans(*wanted_spans) : Json()) << which << ": spans of generated text";
    }
  }
}

Json read_conversations() {
  const std::string file = base::cat(kData, "conversations.json");
  return Json::parse(base::read_file(file), file);
}

TEST(ChatTemplateReference, OwnTemplatesGiveTheBytesOfJinja2) {
  const Json conversations = read_conversations();
  Tally tally;
  base::read_jsonl(base::cat(kData, "expected.jsonl"), [&](Json&& row, int64_t) {
    compare(row, base::read_file(kData + row.string_at("name")), conversations, tally);
  });
  EXPECT_GE(tally.equal, 500);
  EXPECT_GE(tally.refused, 20);
}

TEST(ChatTemplateReference, RealTemplatesGiveTheBytesOfJinja2) {
  const char* file = std::getenv("PONDER_TEST_CHAT_TEMPLATES");
  if (!file) GTEST_SKIP() << "PONDER_TEST_CHAT_TEMPLATES names no file made by tests/reference/chat_templates.py real";
  const Json conversations = read_conversations();
  Tally tally;
  int templates = 0;
  base::read_jsonl(file, [&](Json&& row, int64_t) {
    ++templates;
    compare(row, row.string_at("template"), conversations, tally);
  });
  std::printf("%d templates x %zu conversations: %d equal, %d refused by both, %d wrong\n", templates,
              conversations.size(), tally.equal, tally.refused, tally.wrong);
}

}  // namespace
}  // namespace ponder::text
