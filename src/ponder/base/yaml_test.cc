#include "ponder/base/yaml.h"

#include <gtest/gtest.h>

#include "ponder/base/error.h"
#include "ponder/base/file.h"

namespace ponder::base {
namespace {

std::string error_of(const std::string& text) {
  try {
    parse_yaml(text, "f.yaml");
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kUsage);
    return e.what();
  }
  return "";
}

TEST(Yaml, ReadsATreeWithItsLines) {
  const Yaml y =
      parse_yaml("seed: 1\n# a comment\nrl:\n  lr: 1e-4\n  names: [a, \"b\"]\n  none:\nlast:\n  - x\n  - y: 2\n", "f");
  ASSERT_EQ(y.kind, Yaml::Kind::kMap);
  EXPECT_EQ(y.find("seed")->scalar, "1");
  EXPECT_EQ(y.find("seed")->line, 1);
  const Yaml& rl = *y.find("rl");
  EXPECT_EQ(rl.key_line, 3);
  EXPECT_EQ(rl.find("lr")->scalar, "1e-4");
  EXPECT_EQ(rl.find("lr")->line, 4);
  EXPECT_FALSE(rl.find("lr")->quoted);
  ASSERT_EQ(rl.find("names")->list.size(), 2u);
  EXPECT_FALSE(rl.find("names")->list[0].quoted);
  EXPECT_TRUE(rl.find("names")->list[1].quoted);
  EXPECT_EQ(rl.find("none")->kind, Yaml::Kind::kNull);
  EXPECT_EQ(rl.find("none")->line, 6);
  EXPECT_EQ(y.find("last")->list[1].find("y")->line, 9);
  EXPECT_EQ(y.find("absent"), nullptr);
  EXPECT_STREQ(rl.kind_name(), "a map");
}

TEST(Yaml, EmptyTextIsNothing) {
  EXPECT_EQ(parse_yaml("", "f").kind, Yaml::Kind::kNull);
  EXPECT_EQ(parse_yaml("# only words\n", "f").kind, Yaml::Kind::kNull);
}

TEST(Yaml, AliasesAreResolved) {
  const Yaml y = parse_yaml("a: &x [1, 2]\nb: *x\n", "f");
  ASSERT_EQ(y.find("b")->list.size(), 2u);
  EXPECT_EQ(y.find("b")->list[1].scalar, "2");
}

TEST(Yaml, DuplicateKeysNameBothLines) {
  EXPECT_EQ(error_of("a: 1\nb:\n  c: 1\n  d: 2\n  c: 3\n"), "f.yaml:5: the key \"c\" stands twice, first in line 3");
}

TEST(Yaml, ErrorsGiveTheLine) {
  EXPECT_TRUE(error_of("a: 1\nb: [1, 2\nc: 3\n").starts_with("f.yaml:")) << error_of("a: 1\nb: [1, 2\nc: 3\n");
  EXPECT_TRUE(error_of("a: 1\n\tb: 2\n").starts_with("f.yaml:2: not valid YAML")) << error_of("a: 1\n\tb: 2\n");
  EXPECT_TRUE(error_of("a: *nobody\n").starts_with("f.yaml:1: "));
  EXPECT_TRUE(error_of("a: 1\n---\nb: 2\n").starts_with("f.yaml:3: a second document"));
  EXPECT_TRUE(error_of("? [1, 2]\n: x\n").starts_with("f.yaml:1: a key must be a name"));
}

TEST(Yaml, BombsAreRefused) {
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 9; ++i) {
    bomb += cat("a", i, ": &a", i, " [");
    for (int k = 0; k < 10; ++k) bomb += cat(k ? ", " : "", "*a", i - 1);
    bomb += "]\n";
  }
  EXPECT_NE(error_of(bomb).find("more than 100000 values"), std::string::npos);
  EXPECT_NE(error_of("a: &a [*a]\n"), "");
  EXPECT_NE(error_of("a: " + std::string(400, '[') + std::string(400, ']')).find("nested deeper"), std::string::npos);
  EXPECT_NE(error_of("a: " + std::string(100'000, '[')), "");
}

TEST(Yaml, AFileThatIsNotThereIsAUsageError) {
  try {
    load_yaml("/nonexistent/run.yaml");
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kUsage);
    EXPECT_EQ(e.where(), "/nonexistent/run.yaml");
  }
}

}  // namespace
}  // namespace ponder::base
