// Searches are coroutines: they read like the paper's pseudocode, co_await a port (sample, score), and are suspended
// until the batcher has served them. Everything here is single-threaded: one ReadyQueue a worker.
// g++ 12: name every awaited value in a local variable, write no capturing coroutine lambdas.
#pragma once
#include <coroutine>
#include <deque>
#include <exception>
#include <optional>
#include <utility>

#include "ponder/base/error.h"

namespace ponder::core {

// A lazily started coroutine that gives one T. Awaiting it runs it; a root task is started with start().
template <class T>
class [[nodiscard]] Task {
 public:
  struct promise_type {
    std::optional<T> value;
    std::exception_ptr error;
    std::coroutine_handle<> continuation;
    Task get_return_object() { return Task(std::coroutine_handle<promise_type>::from_promise(*this)); }
    std::suspend_always initial_suspend() noexcept { return {}; }
    struct Final {
      bool await_ready() noexcept { return false; }
      std::coroutine_handle<> await_suspend(std::coroutine_handle<promise_type> h) noexcept {
        auto next = h.promise().continuation;
        return next ? next : std::noop_coroutine();
      }
      void await_resume() noexcept {}
    };
    Final final_suspend() noexcept { return {}; }
    void return_value(T v) { value = std::move(v); }
    void unhandled_exception() { error = std::current_exception(); }
  };

  Task() = default;
  explicit Task(std::coroutine_handle<promise_type> h) : handle_(h) {}
  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, {})) {}
  Task& operator=(Task&& other) noexcept {
    if (this != &other) {
      if (handle_) handle_.destroy();
      handle_ = std::exchange(other.handle_, {});
    }
    return *this;
  }
  ~Task() {
    if (handle_) handle_.destroy();
  }

  void start() { handle_.resume(); }
  bool done() const { return handle_ && handle_.done(); }
  T take() {  // the result, or the exception that ended the coroutine; only when done()
    if (handle_.promise().error) std::rethrow_exception(handle_.promise().error);
    return std::move(*handle_.promise().value);
  }

  bool await_ready() const { return false; }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> caller) {
    handle_.promise().continuation = caller;
    return handle_;
  }
  T await_resume() { return take(); }

 private:
  std::coroutine_handle<promise_type> handle_;
};

// Coroutines whose answers have arrived. Ports push, the driver (search/run.h) resumes.
class ReadyQueue {
 public:
  void push(std::coroutine_handle<> h) { ready_.push_back(h); }
  bool resume_one() {  // false when nothing is ready
    if (ready_.empty()) return false;
    auto h = ready_.front();
    ready_.pop_front();
    h.resume();
    return true;
  }

 private:
  std::deque<std::coroutine_handle<>> ready_;
};

// Counts the answers that one co_await still misses; the last arrival makes the coroutine ready.
struct Waiter {
  ReadyQueue* queue = nullptr;
  std::coroutine_handle<> handle;
  size_t pending = 0;
  void arrived() {
    PONDER_CHECK(pending > 0, "a port answered more often than it was asked");
    if (--pending == 0) queue->push(handle);
  }
};

}  // namespace ponder::core
