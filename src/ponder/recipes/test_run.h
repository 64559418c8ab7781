// What tests of whole runs share: a fresh directory, and what two runs of one recipe must have in common.
#pragma once
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "ponder/base/file.h"
#include "ponder/base/json.h"
#include "ponder/base/stop.h"

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

// While it lives: asks the run in `dir` to stop once it has written a row, or some milliseconds later, which differ
// from attempt to attempt. So a run on a machine of any speed is stopped several times and gets further each time.
class StopAfterARow {
 public:
  StopAfterARow(const std::string& dir, int attempt)
      : path_(base::join_path(dir, "metrics.jsonl")), attempt_(attempt), watcher_([this] { watch(); }) {}
  StopAfterARow(const StopAfterARow&) = delete;
  StopAfterARow& operator=(const StopAfterARow&) = delete;
  ~StopAfterARow() {
    over_ = true;
    watcher_.join();
    base::clear_stop();
  }

 private:
  uintmax_t size() const {
    std::error_code none;
    const uintmax_t size = std::filesystem::file_size(path_, none);
    return none ? 0 : size;
  }
  void watch() {
    using std::chrono::milliseconds;
    while (size() <= before_) {
      if (over_) return;
      std::this_thread::sleep_for(milliseconds(1));
    }
    std::this_thread::sleep_for(milliseconds(7 * (attempt_ / 2) % 40));
    base::request_stop();
  }

  std::string path_;
  int attempt_;
  uintmax_t before_ = size();
  std::atomic<bool> over_ = false;
  std::thread watcher_;  // last: it reads the others
};

}  // namespace ponder::recipes
