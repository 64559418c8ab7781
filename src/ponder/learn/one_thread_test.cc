// Runs this room's tests as every command runs: LibTorch with one thread an operator.
#include <gtest/gtest.h>

#include "ponder/tensor/device.h"

namespace ponder::learn {
namespace {

class OneThread : public testing::Environment {
 public:
  void SetUp() override { tensor::set_operator_threads(1); }
};

const auto* const kOneThread = testing::AddGlobalTestEnvironment(new OneThread);

}  // namespace
}  // namespace ponder::learn
