#include "ponder/base/log.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <mutex>

#include "ponder/base/cat.h"
#include "ponder/base/error.h"

namespace ponder::base {
namespace {

std::mutex g_output;  // guards what follows and the order of lines
bool g_quiet = false;
bool g_line_is_open = false;  // the terminal's last line is a progress line without its newline

constexpr const char* kClearLine = "\r\x1b[K";

// A message that cannot be printed is lost: there is nowhere left to say so.
void print(std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(STDERR_FILENO, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;
    text.remove_prefix(static_cast<size_t>(n));
  }
}

void print_message(const std::string& text) {
  // A live line is wiped; its next update draws it again below the message.
  print(cat(g_line_is_open ? kClearLine : "", text, "\n"));
  g_line_is_open = false;
}

size_t terminal_columns() {
  winsize size{};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

// A line longer than the terminal would wrap and could not be redrawn. Counts UTF-8 characters as one column each.
std::string cut_to_columns(const std::string& line, size_t columns) {
  size_t seen = 0;
  for (size_t i = 0; i < line.size(); ++i) {
    const bool starts_character = (static_cast<unsigned char>(line[i]) & 0xC0) != 0x80;
    if (starts_character && ++seen > columns) return line.substr(0, i);
  }
  return line;
}

}  // namespace

void log_info(const std::string& message) {
  const std::lock_guard lock(g_output);
  if (!g_quiet) print_message(message);
}

void log_warning(const std::string& message) {
  const std::lock_guard lock(g_output);
  print_message("warning: " + message);
}

void log_error(const std::string& message) {
  const std::lock_guard lock(g_output);
  print_message("error: " + message);
}

void print_result(const std::string& line) {
  const std::lock_guard lock(g_output);
  if (g_line_is_open) print(kClearLine);
  g_line_is_open = false;
  if (std::fwrite(line.data(), 1, line.size(), stdout) != line.size() || std::fputc('\n', stdout) == EOF ||
      std::fflush(stdout) != 0)
    throw Error(ErrorCode::kResource, cat("a result could not be written: ", std::strerror(errno)), "standard output");
}

void set_quiet(bool quiet) {
  const std::lock_guard lock(g_output);
  g_quiet = quiet;
}

std::string progress_line(const ProgressView& view, double elapsed_seconds) {
  std::string line = cat(view.stage, "  ", view.done);
  if (view.total > 0) {
    constexpr int64_t kWidth = 20;
    const double share = std::clamp(static_cast<double>(view.done) / static_cast<double>(view.total), 0.0, 1.0);
    const auto filled = static_cast<size_t>(share * kWidth);
    line += cat("/", view.total, " [", std::string(filled, '='), std::string(kWidth - filled, ' '), "]");
  } else {
    line += " " + view.unit;
  }
  const auto done_here = static_cast<double>(view.done - view.done_before);
  const double done_per_second = done_here > 0 && elapsed_seconds > 0 ? done_here / elapsed_seconds : 0;
  if (view.rate > 0) {
    line += cat(" ", human_count(view.rate), " ", view.rate_unit);
  } else if (done_per_second > 0) {
    line += cat(" ", human_count(done_per_second), " ", view.unit, "/s");
  }
  if (view.total > view.done && done_per_second > 0)
    line += "  ETA " + human_seconds(static_cast<double>(view.total - view.done) / done_per_second);
  if (view.total > 0 && view.done >= view.total) line += "  in " + human_seconds(elapsed_seconds);
  if (!view.metric.empty()) line += "  " + view.metric;
  return line;
}

Progress::Progress(std::string stage, int64_t total, std::string unit, int64_t done_before)
    : is_terminal_(::isatty(STDERR_FILENO) == 1) {
  view_.stage = std::move(stage);
  view_.unit = std::move(unit);
  view_.total = total;
  view_.done = view_.done_before = done_before;
}

Progress::~Progress() {
  const std::lock_guard lock(g_output);
  if (!is_drawn_ && last_draw_ < 0 && view_.done == view_.done_before) return;  // nothing was ever done: say nothing
  if (!is_drawn_ || is_terminal_) draw(true);
}

void Progress::update(int64_t done, const std::string& metric) {
  const std::lock_guard lock(g_output);
  view_.done = done;
  view_.metric = metric;
  is_drawn_ = false;
  if (watch_.seconds() - last_draw_ >= (is_terminal_ ? 0.1 : 10.0)) draw(false);
}

void Progress::set_rate(double per_second, const std::string& unit) {
  const std::lock_guard lock(g_output);
  view_.rate = per_second;
  view_.rate_unit = unit;
}

void Progress::draw(bool is_last) {
  if (g_quiet) return;
  last_draw_ = watch_.seconds();
  is_drawn_ = true;
  const std::string line = progress_line(view_, last_draw_);
  if (is_terminal_) {
    print(cat(kClearLine, cut_to_columns(line, terminal_columns() - 1), is_last ? "\n" : ""));
    g_line_is_open = !is_last;
  } else {
    print(line + "\n");
  }
}

}  // namespace ponder::base
