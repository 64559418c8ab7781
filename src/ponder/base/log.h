// Messages and progress for people, on standard error. Standard output belongs to results; those that come while a
// progress line is alive are printed here too, so that neither spoils the other.
#pragma once
#include <functional>
#include <string>

#include "ponder/base/clock.h"

namespace ponder::base {

void log_info(const std::string& message);
void log_warning(const std::string& message);  // "warning: …"
void log_error(const std::string& message);    // "error: …"
void set_quiet(bool quiet);                    // only warnings and errors
// A line of a result, on standard output and at once: a program that is killed later has said it. Error(kResource) when
// it cannot be written.
void print_result(const std::string& line);

// What a progress line says; progress_line is its text: "rl  37/80 [====    ] 12.4k tok/s  ETA 1 min 02 s  reward
// 0.41".
struct ProgressView {
  std::string stage, unit;  // unit of done and total: "steps"
  int64_t total = 0;        // 0: unknown, and then there is no bar and no ETA
  int64_t done = 0;
  int64_t done_before = 0;  // done before this process started (a resumed run); no part of the rate
  double rate = 0;          // shown instead of done a second when above 0
  std::string rate_unit, metric;
};
std::string progress_line(const ProgressView& view, double elapsed_seconds);

// One live line a stage. On a terminal it is redrawn at most 10 times a second; elsewhere one line is printed every
// 10 seconds. Thread-safe.
class Progress {
 public:
  Progress(std::string stage, int64_t total, std::string unit, int64_t done_before = 0);
  ~Progress();  // finishes the line
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  void update(int64_t done, const std::string& metric);  // metric: the number that matters, already as text
  void set_rate(double per_second, const std::string& unit);

 private:
  void draw(bool is_last);  // under the output mutex
  ProgressView view_;
  Stopwatch watch_;
  double last_draw_ = -1e9;
  bool is_terminal_;
  bool is_drawn_ = false;  // the newest state is on the screen
};

}  // namespace ponder::base
