// How far the rows and records of a run directory reach. What is saved says how far they reached when it was saved:
// then a file that was cut, changed or removed since is found before anything is taken back or added. Called by
// RunDirectory and recipes.
#pragma once
#include <cstdint>
#include <string>

#include "ponder/base/json.h"

namespace ponder::store {

inline constexpr const char* kRolloutLog = "rollouts";  // the RecordLog of a run

struct Extent {
  int64_t metrics_rows = 0;  // not bytes: rows hold seconds, which have more digits in one run than in another
  int64_t record_blocks = 0, record_bytes = 0;  // of rollouts.*
  bool operator==(const Extent&) const = default;
};

Extent later(const Extent& a, const Extent& b);  // the larger of each number
Extent extent_of(const std::string& run_dir);    // of what is on disk; call it behind a sync

base::Json to_json(const Extent& extent);
// The member "committed" of what was saved; nothing is known of what an older version saved.
Extent extent_from(const base::Json& saved);

// Error(kInput) names the first file that holds less than this, or something else.
void check_extent(const std::string& run_dir, const Extent& committed);

}  // namespace ponder::store
