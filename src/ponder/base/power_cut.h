// For tests: what a power cut would take at any moment of a program that writes files.
#pragma once
#include <functional>
#include <set>
#include <string>

#include "ponder/base/file.h"
#include "ponder/base/file_faults.h"

namespace ponder::base {

// Files whose bytes no sync has followed, and names whose directory no sync has followed, are at risk.
class PowerCut : public FileFaults {
 public:
  // Before each rename: the new path.
  explicit PowerCut(std::function<void(const std::string&)> at_rename) : at_rename_(std::move(at_rename)) {
    set_file_faults(this);
  }
  ~PowerCut() override { set_file_faults(nullptr); }

  int before(FileOp op, const std::string& path, size_t&) override {
    if (op == FileOp::kRename) at_rename_(path);
    if (op == FileOp::kWrite) bytes_.insert(path);
    if (op == FileOp::kOpen || op == FileOp::kRename) names_.insert(path);
    if (op == FileOp::kSync) {
      bytes_.erase(path);
      std::erase_if(names_, [&](const std::string& name) { return parent_path(name) == path; });
    }
    return 0;
  }
  const std::set<std::string>& bytes_at_risk() const { return bytes_; }
  const std::set<std::string>& names_at_risk() const { return names_; }

 private:
  std::function<void(const std::string&)> at_rename_;
  std::set<std::string> bytes_, names_;
};

}  // namespace ponder::base
