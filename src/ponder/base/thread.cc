#include "ponder/base/thread.h"

#include <sched.h>

#include <algorithm>
#include <exception>
#include <fstream>
#include <future>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "ponder/base/error.h"

namespace ponder::base {

void run_workers(int n, const std::function<void(int worker)>& work) {
  PONDER_CHECK(n >= 1, "run_workers needs at least one worker, got ", n);
  if (n == 1) return work(0);

  std::vector<std::exception_ptr> errors(n);
  const auto guarded = [&](int worker) {
    try {
      work(worker);
    } catch (...) {
      errors[worker] = std::current_exception();
    }
  };
  // Nobody starts before all threads exist: workers may wait for each other, and one that never came would hang them.
  std::promise<bool> start;
  const std::shared_future<bool> may_start = start.get_future().share();
  std::vector<std::thread> threads;
  threads.reserve(n - 1);
  const auto join_all = [&](bool run) {
    start.set_value(run);
    if (run) guarded(0);
    for (auto& thread : threads) thread.join();
  };
  try {
    for (int worker = 1; worker < n; ++worker)
      threads.emplace_back([&guarded, may_start, worker] {
        if (may_start.get()) guarded(worker);
      });
  } catch (const std::system_error& e) {
    const size_t started = threads.size() + 1;
    join_all(false);
    throw Error(ErrorCode::kResource,
                cat("could start only ", started, " of ", n, " threads (", e.what(), "); ask for fewer threads"));
  }
  join_all(true);
  for (const auto& error : errors)
    if (error) std::rethrow_exception(error);
}

namespace {
// A container's share of CPU time, in cores; 0 when there is no limit.
int cgroup_cores() {
  std::ifstream file("/sys/fs/cgroup/cpu.max");  // "200000 100000" or "max 100000", microseconds
  double quota = 0, period = 0;
  if (!(file >> quota >> period) || period <= 0) return 0;
  return static_cast<int>(std::max(1.0, quota / period));
}
}  // namespace

int hardware_threads() {
  cpu_set_t set;
  CPU_ZERO(&set);
  int cores = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set)
                                                          : static_cast<int>(std::thread::hardware_concurrency());
  if (const int limit = cgroup_cores(); limit > 0) cores = std::min(cores, limit);
  return std::max(cores, 1);
}

}  // namespace ponder::base
