// Other programs that judge math answers, as processes of their own that can be killed: a second opinion, off unless
// asked for. They speak JSON lines (scripts/math_verify_worker.py) and stay alive from one question to the next.
#pragma once
#include <sys/types.h>

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace ponder::tasks {

struct JudgePoolOptions {
  std::vector<std::string> command{"python3", "scripts/math_verify_worker.py"};
  int64_t workers = 1;
  int64_t start_ms = 60000;   // until a worker must have said that it is ready
  int64_t answer_ms = 10000;  // of the wall clock, for one question; then the worker is killed and started again
};

struct JudgeCounts {
  int64_t asked = 0, same = 0, different = 0, unsure = 0;
  int64_t killed = 0;  // took too long
  int64_t lost = 0;    // ended, or wrote what is no answer
};

// Calls may come from any thread; each takes an idle worker or waits for one.
class JudgePool {
 public:
  // Starts the workers. Error(kUsage) when the first of them does not get ready.
  explicit JudgePool(JudgePoolOptions options);
  ~JudgePool();  // ends them
  JudgePool(const JudgePool&) = delete;
  JudgePool& operator=(const JudgePool&) = delete;

  // Nothing when the worker could not tell, took too long or was lost.
  std::optional<bool> same(const std::string& gold, const std::string& answer);
  JudgeCounts counts() const;

 private:
  class Worker;
  const JudgePoolOptions options_;
  std::vector<std::unique_ptr<Worker>> workers_;
  mutable std::mutex mutex_;
  std::condition_variable freed_;
  std::vector<Worker*> idle_;
  JudgeCounts counts_;
};

}  // namespace ponder::tasks
