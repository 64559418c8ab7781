// Worker threads with an index each; the way ponder uses several cores (one engine or one gradient a worker).
#pragma once
#include <functional>

namespace ponder::base {

// Runs work(0) … work(n−1), each in a thread of its own (work(0) in the caller's), and waits for all. The first
// exception (lowest index) is thrown again afterwards. n = 1 runs in the caller's thread alone.
void run_workers(int n, const std::function<void(int worker)>& work);
int hardware_threads();  // cores that this process may use, at least 1

}  // namespace ponder::base
