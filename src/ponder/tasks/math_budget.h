// How much work one comparison may cost, counted in steps and bits instead of seconds: the same answer gets the same
// verdict on every machine and in every thread, and nothing needs to be interrupted.
#pragma once
#include <cstdint>

namespace ponder::tasks {

// Thrown by MathBudget alone, caught in math_equal.cc.
struct MathBudgetSpent {};

class MathBudget {
 public:
  explicit MathBudget(int64_t steps) : left_(steps) {}
  void spend(int64_t steps) {
    left_ -= steps;
    if (left_ < 0) throw MathBudgetSpent{};
  }
  int64_t left() const { return left_; }

 private:
  int64_t left_;
};

// Numbers do not grow beyond this many bits: 9^9^9^9 is never worked out.
inline constexpr int64_t kMaxMathBits = 1 << 18;

enum class Same { kYes, kNo, kUnknown };

}  // namespace ponder::tasks
