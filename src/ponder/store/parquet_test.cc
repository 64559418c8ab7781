#include "ponder/store/parquet.h"

#include <gtest/gtest.h>

#include <vector>

#include "ponder/base/error.h"
#include "ponder/base/file.h"

namespace ponder::store {
namespace {

using base::Json;

std::string fixture(const std::string& name) { return "tests/data/parquet/" + name; }

std::vector<Json> rows_of(const std::string& path) {
  ParquetRows rows(path);
  std::vector<Json> out;
  for (Json row; rows.next(row);) {
    out.push_back(row);
    EXPECT_EQ(rows.number(), static_cast<int64_t>(out.size()));
  }
  return out;
}

std::string refusal(const std::string& path) {
  try {
    rows_of(path);
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kInput);
    return e.what();
  }
  return "read";
}

TEST(Parquet, AFileIsKnownByItsNameOrItsFirstBytes) {
  const std::string path = base::join_path(testing::TempDir(), "rows");
  base::write_file_atomic(path, base::read_file(fixture("text.parquet")));
  EXPECT_TRUE(is_parquet(path));
  EXPECT_TRUE(is_parquet("nowhere.parquet"));
  EXPECT_FALSE(is_parquet("nowhere.jsonl"));
  for (const char* text : {"", "PAR", "PAR2", "{\"text\":\"PAR1\"}"}) {
    base::write_file_atomic(path, text);
    EXPECT_FALSE(is_parquet(path)) << text;
  }
}

TEST(Parquet, WithoutTheModuleTheErrorSaysHowToGetIt) {
  if (has_parquet()) GTEST_SKIP() << "this build has the module";
  try {
    ParquetRows rows(fixture("text.parquet"));
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kUsage);
    EXPECT_EQ(e.where(), fixture("text.parquet"));
    for (const char* part : {"reads no Parquet files", "-DPONDER_PARQUET=ON", "PONDER_ARROW_DIR", "JSONL"})
      EXPECT_NE(e.message().find(part), std::string::npos) << e.message();
  }
}

// Everything below needs the module.
class ParquetFiles : public testing::Test {
 protected:
  void SetUp() override {
    if (!has_parquet()) GTEST_SKIP() << "built without -DPONDER_PARQUET=ON";
  }
};

// Written by pyarrow, with the rows that must come out beside them: tests/reference/make_parquet_fixtures.py.
TEST_F(ParquetFiles, RowsAreThoseOfTheJsonLines) {
  size_t files = 0;
  for (const std::string& name : base::list_directory(fixture(""))) {
    if (!name.ends_with(".jsonl")) continue;
    std::vector<Json> expected;
    base::read_jsonl(fixture(name), [&](Json&& row, int64_t) { expected.push_back(std::move(row)); });
    const std::vector<Json> rows = rows_of(fixture(name.substr(0, name.size() - 6) + ".parquet"));
    ASSERT_EQ(rows.size(), expected.size()) << name;
    for (size_t i = 0; i < rows.size(); ++i) EXPECT_EQ(rows[i].dump(), expected[i].dump()) << name << " row " << i + 1;
    ++files;
  }
  EXPECT_EQ(files, 12u);
}

TEST_F(ParquetFiles, WhatHasNoPlaceInJsonIsRefused) {
  EXPECT_EQ(refusal(fixture("refused-decimal.parquet")),
            fixture("refused-decimal.parquet") +
                ": column \"text\" is of type decimal128(10, 2), which has no place in JSON; write it as text or a "
                "number, or leave the column out");
  const std::pair<const char*, const char*> cases[] = {
      {"refused-time", "column \"text\" is of type time64[us], which has no place in JSON"},
      {"refused-map", "column \"text\" is a map<int32, string"},
      {"refused-bytes", ".parquet:2: a value holds bytes that are no UTF-8"},
      {"refused-year", ".parquet:2: a date lies outside of the years 0 to 9999"}};
  for (const auto& [name, message] : cases) {
    const std::string said = refusal(fixture(std::string(name) + ".parquet"));
    EXPECT_TRUE(said.starts_with(fixture(name))) << said;
    EXPECT_NE(said.find(message), std::string::npos) << said;
  }
}

TEST_F(ParquetFiles, CutOffAndDamagedFilesAreErrors) {
  const std::string good = base::read_file(fixture("verl.parquet"));
  const std::string path = base::join_path(testing::TempDir(), "damaged.parquet");
  const auto said = [&](const std::string& bytes) {
    base::FileWriter file(path);  // no sync: there are hundreds of them
    file.write(bytes);
    file.close(false);
    const std::string message = refusal(path);
    EXPECT_TRUE(message == "read" || message.starts_with(path + ": ")) << message;
    return message;
  };
  EXPECT_EQ(said(""), path + ": this is no Parquet file: it has 0 bytes, the shortest has 12");
  EXPECT_EQ(said("{\"text\":\"a row\"}\n"), path + ": this is no Parquet file: it does not begin with PAR1");
  EXPECT_EQ(said("PAR1\1\2\3\4\5\6\7\10PARE"), path + ": the Parquet file is encrypted, which is not read");
  EXPECT_NE(said("PAR1\377\377\377\177PAR1").find("damaged or cut off"), std::string::npos);
  for (size_t bytes = 12; bytes < good.size(); bytes += 97)
    EXPECT_EQ(said(good.substr(0, bytes)), path + ": the Parquet file is cut off: it does not end with PAR1");
  // Pages carry checksums, so a changed byte of data is seen. One of the description may mean the same as before.
  size_t refused = 0, changed = 0;
  for (size_t i = 4; i + 8 < good.size(); i += 13, ++changed) {
    std::string damaged = good;
    damaged[i] = static_cast<char>(~damaged[i]);
    const std::string message = said(damaged);
    refused += message != "read";
  }
  EXPECT_GT(refused, changed * 3 / 4);
  try {
    ParquetRows rows(base::join_path(testing::TempDir(), "nothing.parquet"));
    FAIL();
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("cannot read the file"), std::string::npos) << e.what();
  }
  EXPECT_THROW(ParquetRows rows(testing::TempDir()), Error);
}

}  // namespace
}  // namespace ponder::store
