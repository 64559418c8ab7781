#include "ponder/base/json_document.h"

#include <gtest/gtest.h>

#include "ponder/base/error.h"

namespace ponder::base {
namespace {

TEST(JsonDocument, ViewsReadWhatIsThere) {
  const JsonDocument document(R"({"a": {"x": 1, "y": -2}, "b": ["s", 2.5, null, true], "c": "é\n"})", "file");
  JsonView a, b, c, missing;
  ASSERT_TRUE(document.root().find("a", a) && document.root().find("b", b) && document.root().find("c", c));
  EXPECT_FALSE(document.root().find("d", missing));
  EXPECT_FALSE(b.find("x", missing));
  std::string seen;
  a.each_member([&](std::string_view key, JsonView value) {
    int64_t n = 0;
    EXPECT_TRUE(value.get(n));
    seen += cat(key, n, " ");
  });
  EXPECT_EQ(seen, "x1 y-2 ");
  seen.clear();
  b.each_item([&](JsonView item) { seen += cat(item.type_name(), " "); });
  EXPECT_EQ(seen, "string number null true/false ");
  std::string_view text;
  int64_t number;
  EXPECT_TRUE(c.get(text));
  EXPECT_EQ(text, "é\n");
  EXPECT_FALSE(c.get(number));
  EXPECT_EQ(b.size(), 4u);
  EXPECT_EQ(c.size(), 0u);
}

TEST(JsonDocument, TreesAreThoseOfTheParser) {
  const std::string text = R"({"a": [1, -2, 1.5, "x", null, true, false, {}, []], "b": {"c": 9223372036854775807}})";
  EXPECT_EQ(JsonDocument(text, "file").root().tree(), Json::parse(text));
  EXPECT_EQ(JsonDocument(text, "file").root().tree({"a"}), Json::parse(R"({"b": {"c": 9223372036854775807}})"));
  EXPECT_THROW(JsonDocument(R"({"a": {"b": 1, "b": 2}})", "file").root().tree(), Error);
}

TEST(JsonDocument, WhatIsNoJsonIsRefused) {
  for (const std::string text : {"", "{", "[1,]", "{\"a\" 1}", "nul", "\"\xFF\"", "1 2", "[1]]", "\"\n\"", "'a'"}) {
    try {
      const JsonDocument document(text, "file");
      ADD_FAILURE() << text;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::kInput);
      EXPECT_EQ(e.where(), "file");
    }
  }
  EXPECT_THROW(JsonDocument(std::string(1000, '['), "file"), Error);
  EXPECT_THROW(JsonDocument(std::string(300, '[') + std::string(300, ']'), "file"), Error);
  EXPECT_NO_THROW(JsonDocument(std::string(150, '[') + std::string(150, ']'), "file"));
}

}  // namespace
}  // namespace ponder::base
