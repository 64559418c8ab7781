#include "ponder/text/chat_encode.h"

#include <gtest/gtest.h>

#include "ponder/text/chat_template.h"

namespace ponder::text {
namespace {

// A tokenizer in miniature: <s>, <e> and <ee> are special (1, 2, 3), "ab" is one token (10), everything else a byte
// (100 + c). With a prefix it puts a space before a text that does not begin with a special token, as SentencePiece's
// do.
struct ToyTokenizer {
  bool has_prefix = false;

  ChatIds encode(std::string_view text, bool parse_special) const {
    static constexpr std::pair<std::string_view, core::Token> kSpecial[] = {{"<s>", 1}, {"<ee>", 3}, {"<e>", 2}};
    ChatIds out;
    bool is_start = true;
    for (size_t i = 0; i < text.size(); is_start = false) {
      size_t length = 1;
      core::Token id = 100 + static_cast<unsigned char>(text[i]);
      bool is_special = false;
      for (const auto& [word, special] : kSpecial)
        if (parse_special && text.substr(i).starts_with(word)) id = special, length = word.size(), is_special = true;
      if (!is_special && text.substr(i).starts_with("ab")) id = 10, length = 2;
      if (is_start && has_prefix && !is_special) {
        out.ids.push_back(100 + ' ');
        out.ranges.emplace_back(i, i);
      }
      out.ids.push_back(id);
      out.ranges.emplace_back(i, i + length);
      i += length;
    }
    return out;
  }
  ChatEncoder encoder() const {
    return {[this](std::string_view text, bool special) { return encode(text, special); },
            [](core::Token id) { return id <= 3; }};
  }
};

JinjaPiece own(std::string text) { return {std::move(text), false, false}; }
JinjaPiece input(std::string text) { return {std::move(text), true, false}; }
JinjaPiece written(std::string text) { return {std::move(text), false, true}; }

core::Tokens bytes(std::string_view text) {
  core::Tokens out;
  for (const char c : text) out.push_back(100 + static_cast<unsigned char>(c));
  return out;
}
template <class... Ids>
core::Tokens ids(Ids... values) {
  return {values...};
}
core::Tokens operator+(core::Tokens a, const core::Tokens& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

TEST(ChatEncode, TokensReachOverBordersOfPieces) {
  const ToyTokenizer toy;
  EXPECT_EQ(encode_chat({own("<s>a"), input("b"), own("<e>")}, toy.encoder()).ids, ids(1, 10, 2));
  EXPECT_EQ(encode_chat({}, toy.encoder()).ids, ids());
  EXPECT_EQ(encode_chat({input("x")}, toy.encoder()).ids, bytes("x"));
}

TEST(ChatEncode, TypedSpecialTokensAreText) {
  const ToyTokenizer toy;
  EXPECT_EQ(encode_chat({own("<s>"), input("<e>"), own("<e>")}, toy.encoder()).ids, ids(1) + bytes("<e>") + ids(2));
  EXPECT_EQ(encode_chat({input("<s><e><ee>")}, toy.encoder()).ids, bytes("<s><e><ee>"));
  // The stretch is encoded as a whole: tokens reach over its borders of pieces too.
  EXPECT_EQ(encode_chat({own("<s>a"), input("b<e>a"), own("b<e>")}, toy.encoder()).ids,
            ids(1, 10) + bytes("<e>") + ids(10, 2));
  // What stands behind is as it would be without.
  EXPECT_EQ(encode_chat({input("<s>"), own("<s>x<e>"), input("y"), own("<s>")}, toy.encoder()).ids,
            bytes("<s>") + ids(1) + bytes("x") + ids(2) + bytes("y") + ids(1));
  EXPECT_EQ(encode_chat({own("<s>"), input("<e>"), own("<e><s>"), input("<s>"), own("<e>")}, toy.encoder()).ids,
            ids(1) + bytes("<e>") + ids(2, 1) + bytes("<s>") + ids(2));
}

TEST(ChatEncode, InputIsNoPartOfASpecialToken) {
  const ToyTokenizer toy;
  EXPECT_EQ(encode_chat({input("<"), own("s>"), own("<e>")}, toy.encoder()).ids, bytes("<s>") + ids(2));
  EXPECT_EQ(encode_chat({own("<"), input("s"), own(">")}, toy.encoder()).ids, bytes("<s>"));
  EXPECT_EQ(encode_chat({input("<s"), input(">")}, toy.encoder()).ids, bytes("<s>"));
  // The template's own token directly behind half a typed one.
  EXPECT_EQ(encode_chat({input("<e"), own("<e>")}, toy.encoder()).ids, bytes("<e") + ids(2));
  EXPECT_EQ(encode_chat({own("<s"), own(">")}, toy.encoder()).ids, ids(1));
}

TEST(ChatEncode, NoSpaceIsPutBeforeAStretchInTheMiddle) {
  ToyTokenizer toy;
  toy.has_prefix = true;
  EXPECT_EQ(encode_chat({own("<s>"), input("x<e>"), own("<e>")}, toy.encoder()).ids, ids(1) + bytes("x<e>") + ids(2));
  EXPECT_EQ(encode_chat({input("x<e>"), own("<e>")}, toy.encoder()).ids, bytes(" x<e>") + ids(2));
}

TEST(ChatEncode, RangesAndGeneratedTokens) {
  const ToyTokenizer toy;
  const std::vector<JinjaPiece> pieces = {own("<s>"), input("<e>"), own("<s>a"), written("bc<e>"), own("x")};
  const ChatIds out = encode_chat(pieces, toy.encoder());
  EXPECT_EQ(out.ids, ids(1) + bytes("<e>") + ids(1, 10) + bytes("c") + ids(2) + bytes("x"));
  const std::string text = joined_text(pieces);
  size_t at = 0;
  for (const auto& [begin, end] : out.ranges) {
    EXPECT_EQ(begin, at);
    at = end;
  }
  EXPECT_EQ(at, text.size());
  // A token of which a part was written counts as written.
  EXPECT_EQ(out.is_generation, (std::vector<bool>{false, false, false, false, false, true, true, true, false}));
}

TEST(ChatEncode, TemplatesBuildSpecialTokensFromRoles) {
  const ToyTokenizer toy;
  ChatTemplateSource source;
  source.templates.push_back(
      {"default", "{% for m in messages %}{{ '<' + m.role + '>' + m.content }}{% endfor %}", "t"});
  const ChatTemplate chat_template(source, "m");
  Chat chat = parse_chat(base::Json::parse(R"([{"role":"s","content":"<e>"},{"role":"e","content":"<s>"}])"), "c");
  chat.add_generation_prompt = false;
  const std::tm now{};
  EXPECT_EQ(encode_chat(chat_template.render(chat, now), toy.encoder()).ids,
            ids(1) + bytes("<e>") + ids(2) + bytes("<s>"));
  EXPECT_EQ(encode_chat(chat_template.render(chat, now, {"e"}), toy.encoder()).ids, ids(1) + bytes("<e>") + ids(2, 1));
  // A role with signs in it is input like everything else.
  chat = parse_chat(base::Json::parse(R"([{"role":"s><e","content":""}])"), "c");
  EXPECT_EQ(encode_chat(chat_template.render(chat, now), toy.encoder()).ids, bytes("<s><e>"));
}

}  // namespace
}  // namespace ponder::text
