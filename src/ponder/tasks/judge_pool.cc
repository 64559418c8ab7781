#include "ponder/tasks/judge_pool.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>

#include "ponder/base/error.h"
#include "ponder/base/json.h"

extern char** environ;

namespace ponder::tasks {
namespace {

using Clock = std::chrono::steady_clock;
constexpr size_t kMaxLine = 1 << 16;  // of a worker's answer

// Milliseconds from now to then, for poll(2); 0 when it is past.
int left_ms(Clock::time_point then) {
  auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(then - Clock::now()).count();
  return static_cast<int>(std::clamp<int64_t>(ms, 0, 1 << 30));
}

}  // namespace

// One process and the socket that is its standard input and output.
class JudgePool::Worker {
 public:
  enum class Reply { kLine, kTooLate, kLost };

  Worker(const std::vector<std::string>& command, int64_t start_ms) : command_(command), start_ms_(start_ms) {}
  ~Worker() { stop(); }

  // Is it there and ready? Starts it when it is not.
  Reply ensure_ready() {
    if (pid_ > 0) return Reply::kLine;
    if (!start()) return Reply::kLost;
    std::string line;
    Reply reply = read_line(Clock::now() + std::chrono::milliseconds(start_ms_), line);
    if (reply == Reply::kLine && line.find("\"ready\"") == std::string::npos) reply = Reply::kLost;
    if (reply != Reply::kLine) stop();
    return reply;
  }

  Reply ask(const std::string& question, int64_t ms, std::string& line) {
    auto deadline = Clock::now() + std::chrono::milliseconds(ms);
    Reply reply = write_all(question, deadline);
    if (reply == Reply::kLine) reply = read_line(deadline, line);
    if (reply != Reply::kLine) stop();
    return reply;
  }

  void stop() {
    if (socket_ >= 0) close(socket_);
    socket_ = -1;
    if (pid_ > 0) {
      kill(-pid_, SIGKILL);  // its group: what it has started goes with it
      while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
      }
    }
    pid_ = -1;
    pending_.clear();
  }

 private:
  bool start() {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return false;
    std::vector<char*> words;
    for (const std::string& word : command_) words.push_back(const_cast<char*>(word.c_str()));
    words.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&actions), posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 0), posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
    int error = posix_spawnp(&pid_, words[0], &actions, &attributes, words.data(), environ);
    posix_spawn_file_actions_destroy(&actions), posix_spawnattr_destroy(&attributes);
    close(ends[1]);
    socket_ = ends[0];
    if (error == 0) return true;
    pid_ = -1;
    stop();
    return false;
  }

  Reply wait_for(short events, Clock::time_point deadline) {
    while (true) {
      pollfd wanted{socket_, events, 0};
      int n = poll(&wanted, 1, left_ms(deadline));
      if (n > 0) return Reply::kLine;
      if (n == 0) return Reply::kTooLate;
      if (errno != EINTR) return Reply::kLost;
    }
  }

  Reply write_all(const std::string& text, Clock::time_point deadline) {
    for (size_t done = 0; done < text.size();) {
      if (Reply ready = wait_for(POLLOUT, deadline); ready != Reply::kLine) return ready;
      ssize_t n = send(socket_, text.data() + done, text.size() - done, MSG_NOSIGNAL | MSG_DONTWAIT);
      if (n < 0 && errno != EAGAIN && errno != EINTR) return Reply::kLost;
      done += n > 0 ? static_cast<size_t>(n) : 0;
    }
    return Reply::kLine;
  }

  Reply read_line(Clock::time_point deadline, std::string& line) {
    while (true) {
      if (size_t end = pending_.find('\n'); end != std::string::npos) {
        line = pending_.substr(0, end);
        pending_.erase(0, end + 1);
        return Reply::kLine;
      }
      if (pending_.size() > kMaxLine) return Reply::kLost;
      if (Reply ready = wait_for(POLLIN, deadline); ready != Reply::kLine) return ready;
      char buffer[4096];
      ssize_t n = recv(socket_, buffer, sizeof buffer, MSG_DONTWAIT);
      if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) return Reply::kLost;
      if (n > 0) pending_.append(buffer, static_cast<size_t>(n));
    }
  }

  const std::vector<std::string> command_;
  const int64_t start_ms_;
  pid_t pid_ = -1;
  int socket_ = -1;
  std::string pending_;  // read, without a newline yet
};

JudgePool::JudgePool(JudgePoolOptions options) : options_(std::move(options)) {
  if (options_.command.empty() || options_.workers < 1)
    throw Error(ErrorCode::kUsage, "a pool of judges needs a command and at least one worker");
  for (int64_t i = 0; i < options_.workers; ++i) {
    workers_.push_back(std::make_unique<Worker>(options_.command, options_.start_ms));
    idle_.push_back(workers_.back().get());
  }
  if (workers_[0]->ensure_ready() != Worker::Reply::kLine) {
    std::string words;
    for (const std::string& word : options_.command) words += (words.empty() ? "" : " ") + word;
    throw Error(ErrorCode::kUsage,
                base::cat("the judge \"", words, "\" did not get ready within ", options_.start_ms / 1000,
                          " s; it must print {\"ready\": true}, and "
                          "math_verify_worker.py needs the Python package math-verify"));
  }
}

JudgePool::~JudgePool() = default;

std::optional<bool> JudgePool::same(const std::string& gold, const std::string& answer) {
  Worker* worker = nullptr;
  {
    std::unique_lock lock(mutex_);
    freed_.wait(lock, [&] { return !idle_.empty(); });
    worker = idle_.back();
    idle_.pop_back();
  }
  base::Json question = base::Json::object();
  question["gold"] = gold, question["answer"] = answer;
  std::string line;
  Worker::Reply reply = worker->ensure_ready();
  if (reply == Worker::Reply::kLine) reply = worker->ask(question.dump() + "\n", options_.answer_ms, line);
  std::optional<bool> same;
  bool understood = false;
  if (reply == Worker::Reply::kLine) {
    try {
      const base::Json json = base::Json::parse(line);
      const base::Json* value = json.find("same");
      understood = value && (value->is_bool() || value->is_null());
      if (understood && value->is_bool()) same = value->as_bool();
    } catch (const Error&) {
    }
    if (!understood) worker->stop();
  }
  std::lock_guard lock(mutex_);
  ++counts_.asked;
  if (reply == Worker::Reply::kTooLate)
    ++counts_.killed;
  else if (!understood)
    ++counts_.lost;
  else
    ++(!same ? counts_.unsure : *same ? counts_.same : counts_.different);
  idle_.push_back(worker);
  freed_.notify_one();
  return same;
}

JudgeCounts JudgePool::counts() const {
  std::lock_guard lock(mutex_);
  return counts_;
}

}  // namespace ponder::tasks
