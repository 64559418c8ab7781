#include "ponder/store/parquet.h"

#include <cstdio>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "ponder/base/error.h"

namespace ponder::store {

bool is_parquet(const std::string& path) {
  if (path.ends_with(".parquet")) return true;
  std::error_code unreadable;                                             // whoever opens it will say why
  if (!std::filesystem::is_regular_file(path, unreadable)) return false;  // what is read of a pipe is gone
  std::FILE* file = std::fopen(path.c_str(), "re");
  if (!file) return false;
  char magic[4];
  const bool is = std::fread(magic, 1, 4, file) == 4 && std::memcmp(magic, "PAR1", 4) == 0;
  std::fclose(file);
  return is;
}

#ifndef PONDER_PARQUET
bool has_parquet() { return false; }

class ParquetRows::Source {};
ParquetRows::ParquetRows(const std::string& path) {
  throw Error(ErrorCode::kUsage,
              "this build reads no Parquet files; build it with PONDER_ARROW_DIR=\"$(python3 -c 'import pyarrow; "
              "print(pyarrow.__path__[0])')\" CMAKE_ARGS=-DPONDER_PARQUET=ON scripts/build.sh, or write the rows as "
              "JSONL (.gz and .zst are read too)",
              path);
}
ParquetRows::~ParquetRows() = default;
bool ParquetRows::next(base::Json&) { return false; }
#endif

}  // namespace ponder::store
