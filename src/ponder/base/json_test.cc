#include "ponder/base/json.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "ponder/base/error.h"
#include "ponder/base/file.h"
#include "ponder/base/rng.h"

namespace ponder::base {
namespace {

// What an Error says, "" when nothing is thrown.
template <class F>
std::string error_of(F f) {
  try {
    f();
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

TEST(Json, ParsesEveryType) {
  const Json v = Json::parse(R"( {"a":[1,-2.5,"x\u00e9\n",true,false,null],"b":{},"c":1e3} )");
  EXPECT_EQ(v.at("a").as_array()[0].as_int(), 1);
  EXPECT_EQ(v.at("a").as_array()[1].as_double(), -2.5);
  EXPECT_EQ(v.at("a").as_array()[2].as_string(), "x\xC3\xA9\n");
  EXPECT_TRUE(v.at("a").as_array()[3].as_bool());
  EXPECT_TRUE(v.at("a").as_array()[5].is_null());
  EXPECT_TRUE(v.at("b").is_object());
  EXPECT_FALSE(v.at("c").is_int());  // 1e3 is written as a double
  EXPECT_EQ(v.dump(), R"({"a":[1,-2.5,"xé\n",true,false,null],"b":{},"c":1000.0})");
}

TEST(Json, IntegersKeepTheirBits) {
  EXPECT_EQ(Json::parse("9223372036854775807").as_int(), INT64_MAX);
  EXPECT_EQ(Json::parse("-9223372036854775808").as_int(), INT64_MIN);
  EXPECT_FALSE(Json::parse("9223372036854775808").is_int());
  EXPECT_EQ(Json::parse("18446744073709551615").as_double(), 18446744073709551615.0);
  EXPECT_EQ(Json::parse("36893488147419103232").as_double(), 36893488147419103232.0);
}

TEST(Json, PrintsNumbersThatReadBackTheSame) {
  EXPECT_EQ(Json(1.0).dump(), "1.0");
  EXPECT_EQ(Json(1).dump(), "1");
  EXPECT_EQ(Json(0.1).dump(), "0.1");
  EXPECT_EQ(Json(1e300).dump(), "1e+300");
  EXPECT_EQ(Json(-0.0).dump(), "-0.0");
  EXPECT_EQ(Json(NAN).dump(), "null");
  EXPECT_EQ(Json(-INFINITY).dump(), "null");
}

TEST(Json, InvalidUtf8IsReplacedOnTheWayOut) {
  EXPECT_EQ(Json("a\xFFz").dump(), "\"a\xEF\xBF\xBDz\"");
  EXPECT_EQ(Json("\xC0\x80").dump(), "\"\xEF\xBF\xBD\xEF\xBF\xBD\"");  // overlong
  EXPECT_EQ(Json("\xED\xA0\x80").dump().size(), 2u + 9u);              // surrogate
  EXPECT_EQ(Json("\xF4\x90\x80\x80").dump().size(), 2u + 12u);         // beyond U+10FFFF
  EXPECT_EQ(Json("\xE2\x82").dump(), "\"\xEF\xBF\xBD\xEF\xBF\xBD\"");  // cut off
  EXPECT_EQ(Json("\xF0\x9F\x98\x80").dump(), "\"\xF0\x9F\x98\x80\"");  // fine
  EXPECT_EQ(Json(std::string_view("\0\x1f\x7f\"\\", 5)).dump(), R"("\u0000\u001f\u007f\"\\")");
}

TEST(Json, Indents) {
  EXPECT_EQ(Json::parse(R"({"a":[1,2],"b":{}})").dump(2), "{\n  \"a\": [\n    1,\n    2\n  ],\n  \"b\": {}\n}");
}

TEST(Json, ErrorsSayWhereAndWhat) {
  EXPECT_TRUE(error_of([] { Json::parse("{\n  \"a\": ]\n}", "f.json"); }).starts_with("f.json:2:8: not valid JSON"));
  EXPECT_NE(error_of([] { Json::parse("[1,", "f"); }).find("unexpected end of input"), std::string::npos);
  EXPECT_NE(error_of([] { Json::parse("", "f"); }), "");
  EXPECT_NE(error_of([] { Json::parse("1 2", "f"); }), "");
  EXPECT_NE(error_of([] { Json::parse("NaN", "f"); }), "");
  EXPECT_NE(error_of([] { Json::parse("1e999", "f"); }), "");
  EXPECT_NE(error_of([] { Json::parse("\"\xFF\"", "f"); }), "");
  EXPECT_NE(error_of([] { Json::parse("\"\\ud800\"", "f"); }), "");
  EXPECT_EQ(error_of([] { Json::parse("{\"a\":1,\n\"a\":2}", "f"); }),
            "f:2:3: the key \"a\" stands twice in one object");
}

TEST(Json, FindsADuplicateInALargeObject) {
  std::string text = "{";
  for (int i = 0; i < 1000; ++i) text += cat("\"k", i, "\":", i, ",");
  EXPECT_EQ(Json::parse(text + "\"z\":0}").size(), 1001u);
  for (int i : {0, 15, 16, 17, 999})
    EXPECT_NE(error_of([&] { Json::parse(text + cat("\"k", i, "\":0}")); }).find("stands twice"), std::string::npos)
        << i;
}

TEST(Json, DepthIsCapped) {
  const auto nested = [](int depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_EQ(Json::parse(nested(200)).dump(), nested(200));
  EXPECT_EQ(error_of([&] { Json::parse(nested(201), "f"); }), "f:1:201: nested deeper than 200 levels");
  EXPECT_NE(error_of([&] { Json::parse(std::string(1'000'000, '['), "f"); }), "");
}

TEST(Json, WrongTypesAndMissingKeysAreNamed) {
  EXPECT_EQ(error_of([] { Json("x").as_int(); }), "expected integer, found string");
  EXPECT_EQ(error_of([] { Json(1.5).as_int(); }), "expected integer, found number");
  EXPECT_EQ(error_of([] { Json(1).as_array(); }), "expected array, found integer");
  EXPECT_EQ(error_of([] { Json::parse(R"({"a":1,"b":2})").at("c"); }),
            R"(the key "c" is missing; present are "a", "b")");
  EXPECT_EQ(error_of([] { Json::object().at("c"); }), R"(the key "c" is missing; present are no keys)");
  EXPECT_EQ(Json(1).find("a"), nullptr);
}

TEST(Json, AValueOfTheWrongTypeIsNamedByItsKey) {
  const Json row = Json::parse(R"({"text": 3, "ids": [1, "2"], "n": "x", "x": 0.5})");
  EXPECT_EQ(error_of([&] { row.string_at("text"); }), "\"text\": expected string, found integer");
  EXPECT_EQ(error_of([&] { row.ints_at("ids"); }), "\"ids\"[1]: expected integer, found string");
  EXPECT_EQ(error_of([&] { row.ints_at("n"); }), "\"n\": expected array, found string");
  EXPECT_EQ(error_of([&] { row.int_at("x"); }), "\"x\": expected integer, found number");
  EXPECT_EQ(error_of([&] { row.double_at("n"); }), "\"n\": expected number, found string");
  EXPECT_NE(error_of([&] { row.int_at("m"); }).find("\"m\" is missing"), std::string::npos);
  EXPECT_EQ(row.int_at("text"), 3);
  EXPECT_EQ(row.double_at("x"), 0.5);
}

TEST(Json, BuildsAndCompares) {
  Json v;
  v["x"] = 1;
  v["list"].push_back("t");
  v["x"] = 2.5;
  EXPECT_EQ(v.dump(), R"({"x":2.5,"list":["t"]})");
  EXPECT_EQ(v, Json::parse(v.dump()));
  EXPECT_EQ(Json::list(std::vector<int64_t>{1, 2}).dump(), "[1,2]");
  EXPECT_EQ(v.size(), 2u);
  EXPECT_EQ(Json(7).size(), 0u);
}

Json random_json(Rng& rng, int depth) {
  switch (rng.below(depth > 0 ? 7 : 5)) {
    case 0:
      return nullptr;
    case 1:
      return rng.chance(0.5);
    case 2:
      return static_cast<int64_t>(uint64_t{rng.next()} << 32 | rng.next());
    case 3: {
      const uint64_t bits = uint64_t{rng.next()} << 32 | rng.next();
      double v;
      static_assert(sizeof v == sizeof bits);
      std::memcpy(&v, &bits, sizeof v);
      return std::isfinite(v) ? v : 0.5;
    }
    case 4: {
      std::string text;
      for (int64_t n = rng.below(8); n > 0; --n)
        text += rng.chance(0.5) ? std::string("\xE2\x82\xAC") : std::string(1, static_cast<char>(rng.below(128)));
      return text;
    }
    case 5: {
      Json array = Json::array();
      for (int64_t n = rng.below(5); n > 0; --n) array.push_back(random_json(rng, depth - 1));
      return array;
    }
    default: {
      Json object = Json::object();
      for (int64_t n = rng.below(5); n > 0; --n) object[cat("k\n", n)] = random_json(rng, depth - 1);
      return object;
    }
  }
}

TEST(Json, DumpThenParseIsTheSameValue) {
  Rng rng(RngKey(1).child("json"));
  for (int i = 0; i < 2000; ++i) {
    const Json v = random_json(rng, 4);
    EXPECT_EQ(Json::parse(v.dump()), v) << v.dump();
    EXPECT_EQ(Json::parse(v.dump(2)), v) << v.dump();
  }
}

TEST(Json, CutAndChangedTextsNeverCrash) {
  Rng rng(RngKey(2).child("mutate"));
  int refused = 0;
  for (int i = 0; i < 3000; ++i) {
    std::string text = random_json(rng, 4).dump();
    if (rng.chance(0.5)) text.resize(rng.below(static_cast<int64_t>(text.size()) + 1));
    if (!text.empty()) text[rng.below(static_cast<int64_t>(text.size()))] = static_cast<char>(rng.below(256));
    refused += !error_of([&] { Json::parse(text, "f"); }).empty();
  }
  EXPECT_GT(refused, 1000);
}

TEST(ReadJsonl, GivesRowsWithTheirLines) {
  const std::string path = join_path(testing::TempDir(), "rows.jsonl");
  write_file_atomic(path, "{\"a\":1}\n\n  \r\n{\"a\":2}\r\n{\"a\":" + std::string(3'000'000, ' ') + "3}");
  std::vector<std::pair<int64_t, int64_t>> rows;
  read_jsonl(path, [&](Json&& row, int64_t line) { rows.emplace_back(row.at("a").as_int(), line); });
  EXPECT_EQ(rows, (std::vector<std::pair<int64_t, int64_t>>{{1, 1}, {2, 4}, {3, 5}}));
}

TEST(ReadJsonl, BadLinesAreSkippedOnlyWhenAsked) {
  const std::string path = join_path(testing::TempDir(), "bad.jsonl");
  write_file_atomic(path, "1\n{oops\n3\n");
  EXPECT_TRUE(error_of([&] { read_jsonl(path, [](Json&&, int64_t) {}); }).starts_with(path + ":2:2: not valid JSON"));
  int64_t sum = 0, bad_line = 0;
  read_jsonl(
      path, [&](Json&& row, int64_t) { sum += row.as_int(); },
      [&](const std::string&, int64_t line) { bad_line = line; });
  EXPECT_EQ(sum, 4);
  EXPECT_EQ(bad_line, 2);
  // An error of the reader of a row is not a bad line.
  EXPECT_EQ(error_of([&] {
              read_jsonl(
                  path, [](Json&& row, int64_t) { row.as_string(); }, [](const std::string&, int64_t) {});
            }),
            "expected string, found integer");
  EXPECT_NE(error_of([] { read_jsonl("/nonexistent.jsonl", [](Json&&, int64_t) {}); }).find("No such file"),
            std::string::npos);
}

}  // namespace
}  // namespace ponder::base
