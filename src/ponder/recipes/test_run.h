// What tests of whole runs share: a fresh directory, and what two runs of one recipe must have in common.
#pragma once
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "ponder/base/file.h"
#include "ponder/base/json.h"

namespace ponder::recipes {

inline std::string fresh_dir(const std::string& name) {
  const std::string dir = base::join_path(testing::TempDir(), name);
  base::remove_all(dir);
  return dir;
}

// A value without what the clock says, at any depth.
inline base::Json without_clock(const base::Json& value) {
  if (value.is_array()) {
    base::Json out = base::Json::array();
    for (const base::Json& v : value.as_array()) out.push_back(without_clock(v));
    return out;
  }
  if (!value.is_object()) return value;
  base::Json out = base::Json::object();
  for (const auto& [key, v] : value.as_object())
    if (key.find("second") == std::string::npos) out[key] = without_clock(v);
  return out;
}

inline std::vector<std::string> rows_of(const std::string& dir) {
  std::vector<std::string> rows;
  base::read_jsonl(base::join_path(dir, "metrics.jsonl"),
                   [&](base::Json&& row, int64_t) { rows.push_back(without_clock(row).dump()); });
  return rows;
}

}  // namespace ponder::recipes
