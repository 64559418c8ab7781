// Files that are no tokenizers: each is an Error(kInput) that names the file and the place, and none crashes or hangs.
#include <gtest/gtest.h>

#include <functional>

#include "ponder/base/error.h"
#include "ponder/base/json.h"
#include "ponder/text/tokenizer_json.h"

namespace ponder::text {
namespace {

constexpr const char* kGood =
    R"({"version":"1.0","truncation":null,"padding":null,)"
    R"("added_tokens":[{"id":5,"content":"<s>","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true}],)"
    R"("normalizer":{"type":"NFC"},)"
    R"("pre_tokenizer":{"type":"Split","pattern":{"Regex":" ?\\p{L}+|\\s+"},"behavior":"Isolated","invert":false},)"
    R"("post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>","type_id":0}},{"Sequence":{"id":"A","type_id":0}}],)"
    R"("pair":[],"special_tokens":{"<s>":{"id":"<s>","ids":[5],"tokens":["<s>"]}}},)"
    R"("decoder":{"type":"Fuse"},)"
    R"("model":{"type":"BPE","dropout":null,"unk_token":null,"continuing_subword_prefix":null,"end_of_word_suffix":null,)"
    R"("fuse_unk":false,"byte_fallback":false,"vocab":{"a":0,"b":1,"ab":2,"c":3,"abc":4},"merges":["a b","ab c"]}})";

// `what` must be in the message, "" for any.
void expect_refused(const std::string& json, const std::string& what) {
  try {
    read_tokenizer_json(json, "x.json");
    ADD_FAILURE() << "was read: " << json.substr(0, 300);
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kInput) << e.what();
    EXPECT_EQ(std::string(e.what()).substr(0, 6), "x.json") << e.what();
    EXPECT_NE(std::string(e.what()).find(what), std::string::npos) << e.what() << "\nwanted: " << what;
  }
}

struct Change {
  const char* from;
  const char* to;
  const char* message;
};

std::string changed(const Change& change) {
  std::string json = kGood;
  const size_t at = json.find(change.from);
  EXPECT_NE(at, std::string::npos) << change.from;
  return json.replace(at, std::string(change.from).size(), change.to);
}

TEST(HostileTokenizer, TheFileItselfIsGood) {
  const auto tokenizer = read_tokenizer_json(kGood, "x.json");
  EXPECT_EQ(tokenizer->encode("abc abc"), (core::Tokens{5, 4, 4}));  // the space is in no vocabulary: dropped, as there
}

TEST(HostileTokenizer, ValuesOfTheWrongKind) {
  const Change changes[] = {
      {R"("version":"1.0")", R"("version":"2.0")", "version"},
      {R"("version":"1.0")", R"("version":1)", "version"},
      {R"("id":5,"content")", R"("id":-1,"content")", "added_tokens[0].id"},
      {R"("id":5,"content")", R"("id":2,"content")", "belongs to another"},
      {R"("id":5,"content")", R"("id":99999999999,"content")", "added_tokens[0].id"},
      {R"("id":5,"content")", R"("id":2147483647,"content")", "added_tokens[0].id"},
      {R"("id":5,"content")", R"("id":1e30,"content")", "added_tokens[0].id"},
      {R"("id":5,"content")", R"("id":"5","content")", "added_tokens[0].id"},
      {R"("id":5,"content")", R"("content")", "added_tokens[0].id"},
      {R"("content":"<s>",)", R"("content":"",)", "added_tokens[0].content"},
      {R"("content":"<s>",)", R"("content":7,)", "added_tokens[0].content"},
      {R"("content":"<s>",)", R"("content":"ab",)", "vocabulary gives"},
      {R"("content":"<s>",)", R"()", "added_tokens[0].content"},
      {R"("special":true})", R"("special":1})", "added_tokens[0].special"},
      {R"("special":true})", R"("special":true},{"id":5,"content":"<t>"})", "twice"},
      {R"("special":true})", R"("special":true},{"id":6,"content":"<s>"})", "twice"},
      {R"("special":true})", R"("special":true},null)", "added_tokens[1]"},
      {R"("added_tokens":[)", R"("added_tokens":{},"x":[)", "added_tokens"},
      {R"({"type":"NFC"})", R"({"type":"NFZ"})", "NFZ"},
      {R"({"type":"NFC"})", R"({"type":3})", "normalizer.type"},
      {R"({"type":"NFC"})", R"({})", "normalizer.type"},
      {R"({"type":"NFC"})", R"([])", "normalizer"},
      {R"({"type":"NFC"})", R"({"type":"Lowercase"})", "Lowercase"},
      {R"({"type":"NFC"})", R"({"type":"Prepend"})", "normalizer.prepend"},
      {R"({"type":"NFC"})", R"({"type":"Replace","pattern":{"String":""},"content":"x"})", "pattern.String"},
      {R"({"type":"NFC"})", R"({"type":"Replace","pattern":{},"content":"x"})", "pattern.String"},
      {R"({"type":"NFC"})", R"({"type":"Replace","pattern":{"Regex":"("},"content":"x"})", "pattern"},
      {R"({"type":"NFC"})", R"({"type":"Sequence","normalizers":{}})", "normalizers"},
      {R"({"type":"NFC"})", R"({"type":"Sequence","normalizers":[3]})", "normalizers[0]"},
      {R"({"type":"Split",)", R"({"type":"Spilt",)", "Spilt"},
      {R"({"type":"Split",)", R"({"type":"BertPreTokenizer",)", "BertPreTokenizer"},
      {R"("Isolated")", R"("Isolate")", "behavior"},
      {R"("invert":false)", R"("invert":"no")", "invert"},
      {R"({"type":"Split",)", R"({"type":"ByteLevel",)", "decoder"},
      {R"({"type":"Split",)", R"({"type":"Metaspace","replacement":"ab",)", "replacement"},
      {R"({"type":"Split",)", R"({"type":"Metaspace","replacement":"a","prepend_scheme":"sometimes",)",
       "prepend_scheme"},
      {R"({"type":"TemplateProcessing",)", R"({"type":"Template",)", "Template"},
      {R"("ids":[5])", R"("ids":[50])", "special_tokens.<s>.ids"},
      {R"("ids":[5])", R"("ids":[-5])", "special_tokens.<s>.ids"},
      {R"("ids":[5])", R"("ids":["5"])", "special_tokens.<s>.ids"},
      {R"("ids":[5])", R"("ids":5)", "special_tokens.<s>.ids"},
      {R"("special_tokens":{"<s>")", R"("special_tokens":{"<t>")", "special_tokens.<s>"},
      {R"("Sequence":{"id":"A")", R"("Sequence":{"id":"B")", "Sequence"},
      {R"(,{"Sequence":{"id":"A","type_id":0}}])", R"(])", "single"},
      {R"({"type":"Fuse"})", R"({"type":"CTC"})", "CTC"},
      {R"({"type":"Fuse"})", R"({"type":"Strip","content":" ","start":1,"stop":0})", "behind Fuse"},
      {R"({"type":"Fuse"})", R"({"type":"Sequence","decoders":[{"type":"Fuse"},{"type":"ByteFallback"}]})",
       "before Fuse"},
      {R"("type":"BPE")", R"("type":"Unigram")", "Unigram"},
      {R"("type":"BPE")", R"("type":"WordPiece")", "WordPiece"},
      {R"("dropout":null)", R"("dropout":0.1)", "dropout"},
      {R"("dropout":null)", R"("dropout":"x")", "dropout"},
      {R"("continuing_subword_prefix":null)", R"("continuing_subword_prefix":"##")", "continuing_subword_prefix"},
      {R"("end_of_word_suffix":null)", R"("end_of_word_suffix":"</w>")", "end_of_word_suffix"},
      {R"("byte_fallback":false)", R"("byte_fallback":"maybe")", "byte_fallback"},
      {R"("unk_token":null)", R"("unk_token":5)", "unk_token"}};
  for (const Change& change : changes) expect_refused(changed(change), change.message);
}

TEST(HostileTokenizer, VocabulariesAndMerges) {
  const Change changes[] = {{R"("abc":4)", R"("abc":3)", "another token"},
                            {R"("abc":4)", R"("abc":-4)", "id -4"},
                            {R"("abc":4)", R"("abc":4.5)", "whole number"},
                            {R"("abc":4)", R"("abc":"4")", "whole number"},
                            {R"("abc":4)", R"("abc":null)", "whole number"},
                            {R"("abc":4)", R"("abc":2147483647)", "ids must be"},
                            {R"("abc":4)", R"("abc":4294967296)", "ids must be"},
                            {R"("abc":4)", R"("abc":9999999999999999999)", "whole number"},
                            {R"("abc":4)", R"("abc":99999999999999999999999)", "number"},
                            {R"("abc":4)", R"("abc":4,"abc":6)", "stands twice"},
                            {R"("vocab":{)", R"("vocab":[],"v":{)", "model.vocab"},
                            {R"("vocab":{)", R"("v":{)", "model.vocab"},
                            {R"("merges":[)", R"("m":[)", "model.merges"},
                            {R"("merges":[)", R"("merges":{},"m":[)", "model.merges"},
                            {R"("a b")", R"("ab")", "model.merges"},
                            {R"("a b")", R"("a b c")", "model.merges"},
                            {R"("a b")", R"("a z")", "\"z\", which is not in the vocabulary"},
                            {R"("a b")", R"("z a")", "\"z\""},
                            {R"("a b")", R"("b a")", "\"ba\""},
                            {R"("a b")", R"(["a"])", "model.merges"},
                            {R"("a b")", R"(["a","b","c"])", "model.merges"},
                            {R"("a b")", R"(["a",1])", "model.merges"},
                            {R"("a b")", R"([])", "model.merges"},
                            {R"("a b")", R"(7)", "model.merges"},
                            {R"("a b")", R"(null)", "model.merges"},
                            {R"("a b")", R"(" ")", "model.merges"},
                            {R"("a b")", R"("")", "model.merges"}};
  for (const Change& change : changes) expect_refused(changed(change), change.message);
}

TEST(HostileTokenizer, PatternsThatAreNone) {
  const std::pair<const char*, const char*> patterns[] = {{"(", "')'"},
                                                          {")", "'('"},
                                                          {"[a", "']'"},
                                                          {"[]", "empty class"},
                                                          {"a**", "repeats a quantifier"},
                                                          {"*a", "repeats nothing"},
                                                          {"a{3,1}", "quantifier"},
                                                          {"a{", "quantifier"},
                                                          {"a{2", "'}'"},
                                                          {"a{999999999999}", "times"},
                                                          {"\\\\p{Greek}", "Greek"},
                                                          {"\\\\p", "{"},
                                                          {"\\\\p{L", "'}'"},
                                                          {"(?<=a)b", "group"},
                                                          {"a*", "empty text"},
                                                          {"(?:a|)", "empty alternative"},
                                                          {"a*?b", "lazy"},
                                                          {"\\\\1a", "escape"},
                                                          {"[z-a]", "range"},
                                                          {"[a-\\\\d]", "range"},
                                                          {"[a&&b]", "intersects"},
                                                          {"[[:alpha:]]", "class within"},
                                                          {"(?i:é)", "beyond ASCII"},
                                                          {"(?i:ss)", "ss"},
                                                          {"\\\\", "early"},
                                                          {"\\\\u12", "number"},
                                                          {"\\\\x{110000}", "beyond"},
                                                          {"(?i:[a-z])", "class"},
                                                          {"(?:(?:a*)*)*", "empty text"},
                                                          {"^*a", "anchor"}};
  for (const auto& [pattern, message] : patterns) expect_refused(changed({R"( ?\\p{L}+|\\s+)", pattern, ""}), message);
  expect_refused(changed({R"( ?\\p{L}+|\\s+)", std::string(200'000, 'a').c_str(), ""}), "longer");
  std::string deep;
  for (int i = 0; i < 10'000; ++i) deep += "(?:";
  expect_refused(changed({R"( ?\\p{L}+|\\s+)", deep.c_str(), ""}), "too many groups");
}

TEST(HostileTokenizer, JsonThatIsNone) {
  const std::string good = kGood;
  for (size_t n = 0; n < good.size(); n += 7) expect_refused(good.substr(0, n), "");
  for (const char* json : {"", " ", "null", "[]", "3", "\"x\"", "{}", R"({"model":null})", R"({"model":[]})",
                           R"({"model":{}})", "\xFF\xFE", "{\"a\":1,\"a\":2,\"model\":{}}"})
    expect_refused(json, "");
  std::string broken = good;
  broken[broken.find("abc")] = '\xC3';
  expect_refused(broken, "");
  expect_refused(std::string(100'000, '['), "");
  expect_refused(changed({R"({"type":"NFC"})", (std::string(300, '[') + std::string(300, ']')).c_str(), ""}), "deeper");
  std::string nested = R"({"type":"NFC"})";
  for (int i = 0; i < 300; ++i) nested = R"({"type":"Sequence","normalizers":[)" + nested + "]}";
  expect_refused(changed({R"({"type":"NFC"})", nested.c_str(), ""}), "deeper");
}

TEST(HostileTokenizer, PatternsThatBacktrackWithoutBoundEndInAnError) {
  for (const char* pattern : {"(?:a+)+b", "(?:a|a)+b", "a+a+a+a+a+b", "(?:a?){20}a{20}b", "(?:(?:a+)+)+b"}) {
    const auto tokenizer = read_tokenizer_json(changed({R"( ?\\p{L}+|\\s+)", pattern, ""}), "x.json");
    try {
      tokenizer->encode(std::string(3000, 'a') + "c");
      ADD_FAILURE() << pattern;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::kInput);
    }
    EXPECT_EQ(tokenizer->encode("ab"), (core::Tokens{5, 2})) << pattern;  // and the tokenizer goes on working
  }
}

TEST(HostileTokenizer, AnUnknownTokenThatIsMissingIsNamed) {
  const auto tokenizer = read_tokenizer_json(changed({R"("unk_token":null)", R"("unk_token":"<unk>")", ""}), "x.json");
  try {
    tokenizer->encode("abz");
    ADD_FAILURE();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kInput);
    EXPECT_NE(std::string(e.what()).find("<unk>"), std::string::npos) << e.what();
  }
}

TEST(HostileTokenizer,
     MergesInACircleEnd) {  // "aa" + "a" and "a" + "aa" are one token; each merge still shortens the word
  const auto tokenizer = read_tokenizer_json(
      R"({"model":{"vocab":{"a":0,"aa":1,"aaa":2},"merges":["a aa","aa a","a a"]},"decoder":null})", "x.json");
  EXPECT_EQ(tokenizer->encode("aaaa"), (core::Tokens{2, 0}));
}

}  // namespace
}  // namespace ponder::text
