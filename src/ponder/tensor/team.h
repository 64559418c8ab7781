// Threads that share the work of one caller's kernels, for models whose single products are worth cutting up. What is
// cut is whole outputs, so no bit depends on the number of threads. Products (gemm.h) and the kernels around them call
// share_work(); learn and engine bring a team and say for how long it serves.
#pragma once
#include <atomic>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace ponder::tensor {

// Weights of a model from which on threads share its products, rather than that each takes work of its own.
inline constexpr int64_t kSharedWeights = int64_t{64} << 20;

class Team {
 public:
  // The caller works too, so that a team of n starts n − 1 threads. Error(kResource) when the system has no more.
  explicit Team(int threads);
  ~Team();
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;
  int threads() const { return static_cast<int>(threads_.size()) + 1; }

  // work(part) for parts 0 … parts − 1 (fewer than 2²⁰), each by whoever is free next; waits for all. A part that
  // throws does not keep the others from running; the first error is thrown again. One run at a time.
  void run(int64_t parts, const std::function<void(int64_t part)>& work);

 private:
  void stop();
  void serve();
  bool take_part();

  std::vector<std::thread> threads_;
  const std::function<void(int64_t)>* work_ = nullptr;  // of the run that has parts left
  std::atomic<uint64_t> state_{0};                      // generation, parts, next part: see team.cc
  std::atomic<int64_t> left_{0};                        // parts that are not done
  std::atomic<bool> ends_{false};
  std::mutex error_mutex_;
  std::exception_ptr error_;
};

// While it lives, kernels that this thread calls share their work with the team; null: they do it alone.
class TeamScope {
 public:
  explicit TeamScope(Team* team);
  ~TeamScope();
  TeamScope(const TeamScope&) = delete;
  TeamScope& operator=(const TeamScope&) = delete;

 private:
  Team* before_;
};

// Threads that this thread's kernels may use, itself included; 1 within a part.
int team_threads();
// work(part) for each part, by this thread's team or one after the other.
void share_work(int64_t parts, const std::function<void(int64_t part)>& work);
// work(from, to) over 0 … n in pieces that begin at multiples of `grain`; in one piece where there is no team.
void share_range(int64_t n, int64_t grain, const std::function<void(int64_t from, int64_t to)>& work);
// The same where that is worth its trouble: work of fewer than a few hundred thousand operations is done before another
// thread has begun.
void share_large(int64_t operations, int64_t n, int64_t grain,
                 const std::function<void(int64_t from, int64_t to)>& work);

}  // namespace ponder::tensor
