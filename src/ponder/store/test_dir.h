// A directory for one test, removed with it.
#pragma once
#include <gtest/gtest.h>
#include <unistd.h>

#include <string>
#include <string_view>

#include "ponder/base/cat.h"
#include "ponder/base/file.h"
#include "ponder/base/file_faults.h"

namespace ponder::store {

class TestDir : public testing::Test {
 protected:
  TestDir() { base::make_directories(dir_); }
  ~TestDir() override {
    base::set_file_faults(nullptr);
    base::remove_all(dir_);
  }
  const std::string& dir() const { return dir_; }
  std::string path(std::string_view name) const { return base::join_path(dir_, name); }

 private:
  std::string dir_ = base::join_path(testing::TempDir(), base::cat("ponder_store_", ::getpid()));
};

}  // namespace ponder::store
