// The ports between search and everything that runs a model. Search calls them, engine (local model), remote
// (endpoints) and test fakes implement them, recipes hands one to the other. A port belongs to one thread.
#pragma once
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "ponder/base/clock.h"
#include "ponder/core/async.h"
#include "ponder/core/confidence.h"
#include "ponder/core/trajectory.h"

namespace ponder::core {

// When a completion is over although no stop token was written: stop texts. Thread-safe.
class Endings {
 public:
  virtual ~Endings() = default;
  // Whether the last of these tokens ends the completion; all those before it did not.
  virtual bool ended(TokenSpan completion) const = 0;
};

struct SampleParams {
  double temperature = 1.0;  // 0 = greedy
  int64_t top_k = 0;         // 0 = off
  double top_p = 1.0;        // 1 = off
  double min_p = 0.0;        // 0 = off
  int64_t max_tokens = 256;
  bool entropy = false;              // also gives Completion::entropies
  Tokens stop = {};                  // ends after one of these (it is kept); the model's own end token always stops
  const Endings* endings = nullptr;  // borrowed; ends after the token that they say (it is kept). Null: none
};

struct SampleRequest {
  Tokens prefix;  // prompt and what was already written; shared prefixes cost nothing twice
  SampleParams params;
  base::RngKey key;     // token i of the completion is drawn with uniform_at(key, i)
  int64_t written = 0;  // tokens at the end of the prefix that params.endings reads as the completion's own
  // base::monotonic_seconds() from which on it gets no more tokens (kDeadline). What it has by then depends on the
  // machine.
  double deadline = std::numeric_limits<double>::infinity();
};

struct Completion {
  Tokens tokens;             // [n] new tokens, stop token included
  std::vector<float> logps;  // [n] nats, under the distribution that was drawn from (after temperature, top-k, top-p)
  std::vector<float> entropies;  // [n] nats, of the model's own distribution at each token; [0] unless asked for
  StopReason stop = StopReason::kStopToken;
  bool ended = false;     // the model's own end token was written, or params.endings said so
  int64_t processed = 0;  // tokens that ran through the model for this request (prefill that no cache held + decoding)
  int64_t drafted = 0;    // tokens that were guessed beforehand, so that several are read in one pass
  int64_t accepted = 0;   // guesses that became part of the completion
  uint64_t weights = 0;   // identity of the weights that wrote it; 0 = unknown (an endpoint's)
};

// Common to all that serves requests in batches.
class Batched {
 public:
  virtual ~Batched() = default;
  // Works on what was submitted (for a policy: one token for every live row); false when nothing was pending.
  virtual bool advance() = 0;
};

class Policy : public Batched {
 public:
  // *out and *waiter must live until waiter->arrived() was called, which happens in a later advance().
  virtual void submit(SampleRequest request, Completion* out, Waiter* waiter) = 0;
  // Nobody waits for this completion any more: it ends where it is, what it held is free at once, and its waiter is not
  // called. False when it cannot be withdrawn (any more): *out and its waiter must live on as submit() says.
  virtual bool cancel(const Completion* /*out*/) { return false; }
};

struct ScoreRequest {
  Tokens prefix;  // scored behind its last token
};

struct Score {
  float value = 0;        // estimated chance in [0, 1] that the answer will be correct, given this prefix
  int64_t processed = 0;  // tokens that the critic had to read (those that no cache held)
};

class Critic : public Batched {
 public:
  virtual void submit(ScoreRequest request, Score* out, Waiter* waiter) = 0;
};

// What a search asks a model about its own work, in words. The texts are what the model wrote, decoded.
enum class Ask {
  kJudge,     // [steps so far]: will they lead to the right answer? "sure", "likely" or "impossible"
  kVote,      // [ways to go on …]: which of them is best? its number
  kFeedback,  // [answer]: is it right, and if not, what is wrong with it?
  kRate,      // [answer]: how good is it, 0 to 100?
  kRevise,    // [answer, feedback; the latter may be empty]: the answer once more, as to the problem itself
  kPlan,      // []: which simpler questions come first? one a line
  kPart,      // [questions and answers so far, a question, the problem in other words or nothing]: its answer
  kConclude,  // [questions and answers so far, the problem in other words; each may be empty]: its answer
  kNext,      // [the same]: which simpler question comes next? alone
  kUseful,    // [questions and answers so far, a question]: does its answer help? "yes" or "no"
  kRephrase,  // []: the problem in other words
  kTrue,      // [answer]: is it right? "yes" or "no"
};
struct Asking {
  Ask ask = Ask::kJudge;
  std::vector<std::string> texts;
};

// Bytes ↔ tokens, steps and answers. Implemented by text.
class Codec {
 public:
  virtual ~Codec() = default;
  virtual std::string decode(TokenSpan tokens) const = 0;
  // The text of a reply alone, without what ended it.
  virtual std::string said(TokenSpan reply) const { return decode(reply); }
  // The canonical text of the answer that a finished completion claims; nothing when it claims none (gave up, cut off).
  // Two completions agree exactly when these texts are equal, so this is what a vote counts.
  virtual std::optional<std::string> answer(const Problem& problem, TokenSpan completion) const = 0;
  // Tokens that end a step; search extends by one step at a time with them as stop tokens.
  virtual Tokens step_ends() const = 0;
  // What ends a completion besides the model's end token; null: nothing. Lives as long as the codec.
  virtual const Endings* endings() const { return nullptr; }
  // Budget forcing: how many of a completion's tokens stand before its answer, and what is written for the model behind
  // a thought to keep it thinking, or to have it answer. Empty: this language has no such words.
  virtual int64_t thought_length(TokenSpan completion) const { return static_cast<int64_t>(completion.size()); }
  virtual Tokens think_on(TokenSpan /*thought*/) const { return {}; }
  // The prompt of such a question; empty where it is longer than what the model reads, nothing where the model cannot
  // be asked in words at all.
  virtual std::optional<Tokens> asking(const Problem&, const Asking&) const { return std::nullopt; }
  virtual Tokens answer_now(TokenSpan /*thought*/) const { return {}; }
};

// What a problem itself says of a completion, or of its beginning, without any gold answer: 1 it is right, 0 it is
// wrong or can no longer become right, in between: an estimate. Nothing where it says nothing. Implemented by tasks.
class Judge {
 public:
  virtual ~Judge() = default;
  virtual bool knows(const Problem& problem) const = 0;  // whether it ever says something of this one
  virtual std::optional<double> value(const Problem& problem, TokenSpan completion) const = 0;
  // A rule of thumb for where value() says nothing: how near the beginning of a completion looks to a right end, 0 to
  // 1. Nothing where the problem's task has none.
  virtual std::optional<double> outlook(const Problem& /*problem*/, TokenSpan /*completion*/) const { return {}; }
};

// What a search is given. Borrowed; all belong to one worker.
struct Ports {
  Policy* policy = nullptr;
  Critic* critic = nullptr;  // null where a model has none
  const Codec* codec = nullptr;
  ReadyQueue* ready = nullptr;
  const Confidence* confidence = nullptr;  // null where none was fitted
  const Judge* judge = nullptr;            // null where problems say nothing
  // Another model with the same tokens, which completes what the policy has written where a search wants to know
  // whether somebody else comes to the same end; null: the policy does that itself.
  Policy* second = nullptr;
  double (*now)() = base::monotonic_seconds;  // budgets in seconds
};

// Who writes: the policy, or Ports::second (where there is none, the policy).
enum class Writer { kPolicy, kSecond };

// co_await sample_all(ports, requests) -> std::vector<Completion>, in the order of the requests.
class SampleAll {
 public:
  SampleAll(const Ports& ports, std::vector<SampleRequest> requests, Writer writer = Writer::kPolicy)
      : ready_(ports.ready),
        policy_(writer == Writer::kSecond && ports.second ? ports.second : ports.policy),
        requests_(std::move(requests)) {}
  bool await_ready() const { return requests_.empty(); }
  void await_suspend(std::coroutine_handle<> h) {
    results_.resize(requests_.size());
    waiter_ = {ready_, h, requests_.size()};
    for (size_t i = 0; i < requests_.size(); ++i) policy_->submit(std::move(requests_[i]), &results_[i], &waiter_);
  }
  std::vector<Completion> await_resume() { return std::move(results_); }

 private:
  ReadyQueue* ready_;
  Policy* policy_;
  std::vector<SampleRequest> requests_;
  std::vector<Completion> results_;
  Waiter waiter_;
};

// co_await score_all(ports, requests) -> std::vector<Score>.
class ScoreAll {
 public:
  ScoreAll(const Ports& ports, std::vector<ScoreRequest> requests) : ports_(ports), requests_(std::move(requests)) {}
  bool await_ready() const { return requests_.empty(); }
  void await_suspend(std::coroutine_handle<> h) {
    PONDER_CHECK(ports_.critic, "this search needs a critic and the model has none");
    results_.resize(requests_.size());
    waiter_ = {ports_.ready, h, requests_.size()};
    for (size_t i = 0; i < requests_.size(); ++i)
      ports_.critic->submit(std::move(requests_[i]), &results_[i], &waiter_);
  }
  std::vector<Score> await_resume() { return std::move(results_); }

 private:
  Ports ports_;
  std::vector<ScoreRequest> requests_;
  std::vector<Score> results_;
  Waiter waiter_;
};

// The rules of a task: generator, strict verifier, step checker, oracle. Implemented by tasks; search never sees one.
class Verifier {
 public:
  virtual ~Verifier() = default;
  // answer: the text behind the answer mark of a completion, or a user's own answer.
  virtual Verdict verify(const Item& item, const std::string& answer) const = 0;
};

}  // namespace ponder::core
