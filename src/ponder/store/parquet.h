// Rows of a Parquet file as JSON values: those that lines of JSONL would give. An optional module over Apache Arrow's
// C++ library (-DPONDER_PARQUET=ON); without it a Parquet file is an error that says how to get it. Called by readers
// of training data, beside store/text_lines.h.
#pragma once
#include <cstdint>
#include <memory>
#include <string>

#include "ponder/base/json.h"

namespace ponder::store {

bool has_parquet();                        // is the module in this build?
bool is_parquet(const std::string& path);  // by the end of its name or its first bytes; false for what cannot be read

// Text, whole and other numbers, bools, lists and structs become what they are in JSON, maps with texts as keys become
// objects, dates and times texts of ISO 8601. A column is always a key of its row, null where the row has nothing; in a
// struct a key without a value is left out, because Parquet has no other way to say that a message lacks it. Floats are
// not rounded; NaN stays.
class ParquetRows {
 public:
  // Reads the description of the columns alone. Error(kInput, …, path) for a file that is no Parquet file, cut off,
  // damaged or encrypted, and for a column whose type has no place in JSON. Error(kUsage) without the module.
  explicit ParquetRows(const std::string& path);
  ~ParquetRows();
  ParquetRows(const ParquetRows&) = delete;
  ParquetRows& operator=(const ParquetRows&) = delete;
  // False at the end. A batch of rows and a page of each column are in memory, never the file. Error(kInput, …) for
  // damaged data (pages with a checksum are held against it) and for text that is no UTF-8.
  bool next(base::Json& row);
  int64_t number() const { return number_; }  // of the row that next() gave last, from 1

 private:
  class Source;
  std::unique_ptr<Source> source_;
  int64_t number_ = 0;
};

}  // namespace ponder::store
