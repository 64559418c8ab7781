// The directory of one run: config.yaml (resolved), metrics.jsonl, rollouts.jsonl, state.json, checkpoints/. One
// process at a time holds it. Called by recipes; the report reads the same files later without a lock.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ponder/base/json.h"
#include "ponder/store/extent.h"
#include "ponder/store/ledger.h"

namespace ponder::store {

class RunDirectory {
 public:
  // Makes the directory, locks it and reads its state. Error(kUsage) naming the process that holds the lock.
  explicit RunDirectory(std::string dir);
  ~RunDirectory();
  RunDirectory(const RunDirectory&) = delete;
  RunDirectory& operator=(const RunDirectory&) = delete;

  const std::string& path() const { return dir_; }
  std::string file(std::string_view name) const;  // DIR/name
  std::string checkpoints() const { return file("checkpoints"); }
  std::string metrics() const { return file("metrics.jsonl"); }
  std::string rollouts() const { return file("rollouts.jsonl"); }

  std::optional<std::string> config() const;  // the resolved configuration of an earlier start
  void write_config(const std::string& yaml);

  // Stages that are done, each with what it left for the later ones (a path, an accuracy, …).
  const base::Json* finished(std::string_view stage) const;  // null: not finished
  // Saves; also how far rows and records reach, which must be synced by then.
  void finish(const std::string& stage, base::Json result = base::Json::object());
  Extent committed() const;  // the furthest that any finished stage says
  Ledger& ledger() { return ledger_; }
  const Ledger& ledger() const { return ledger_; }
  void save();  // state.json, atomically

 private:
  void read_state(const std::string& path);

  std::string dir_;
  int lock_fd_ = -1;
  base::Json finished_ = base::Json::object();
  Ledger ledger_;
};

}  // namespace ponder::store
