// What a search spent, and what it may spend. Budgets are never exceeded: a request is cut to what is left before it is
// sent, so what is in flight is already paid for.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

namespace ponder::core {

struct Usage {
  int64_t generated = 0;         // tokens that the policy wrote, or a second model (Ports::second)
  int64_t processed = 0;         // tokens that ran through the policy: prefill that no cache held, and decoding
  int64_t critic = 0;            // tokens that the critic read, each counted once (what a prefix cache makes of it)
  int64_t asked = 0;             // tokens of prompts that the search made itself (questions about the model's own work,
                                 // answers to be revised), each once, without what they share with the problem's;
                                 // and what a second model read, each once, of which nothing was there before
  int64_t critic_processed = 0;  // tokens that really ran through the critic
  int64_t second_processed = 0;  // tokens that ran through a second model; none of them is in `processed`
  int64_t drafted = 0;           // tokens that were guessed before they were written, …
  int64_t accepted = 0;          // … and those of them that stayed
  int64_t nodes = 0;             // steps or samples made
  int64_t critic_calls = 0;
  Usage& operator+=(const Usage& o) {
    generated += o.generated, processed += o.processed, critic += o.critic, asked += o.asked, nodes += o.nodes;
    critic_processed += o.critic_processed, critic_calls += o.critic_calls;
    second_processed += o.second_processed, drafted += o.drafted, accepted += o.accepted;
    return *this;
  }
  int64_t read() const { return critic + asked; }  // to judge: by the critic, the policy itself or a second model
};

// FLOPs of a token in a model: what it costs alone, and attention over each token in front of it.
struct TokenFlops {
  double alone = 0, each_before = 0;
  double behind(int64_t tokens) const { return alone + each_before * static_cast<double>(tokens); }
};

// Tokens are those written and those read to judge. FLOPs are charged for each of these, and for the prompt, once, as a
// cache that forgets nothing reads them, and as if it stood at the end of the longest completion; guesses that were
// wrong are not charged. Seconds are of one search beside all others that are alive with it: what a budget of seconds
// buys depends on the machine.
struct Budget {
  int64_t tokens = std::numeric_limits<int64_t>::max();
  int64_t nodes = std::numeric_limits<int64_t>::max();
  double seconds = std::numeric_limits<double>::infinity();
  double flops = std::numeric_limits<double>::infinity();
  TokenFlops write_flops = {}, critic_flops = {};  // where flops is a limit: of whoever writes, and of the critic
  int64_t longest = 0;                             // tokens behind the prompt at most
  double flops_spent(const Usage& used, int64_t prompt_tokens) const {
    return write_flops.behind(prompt_tokens + longest) *
               static_cast<double>(prompt_tokens + used.generated + used.asked) +
           critic_flops.behind(prompt_tokens + longest) * static_cast<double>(used.critic);
  }
  bool limits() const {  // anything
    constexpr int64_t kNone = std::numeric_limits<int64_t>::max();
    return tokens < kNone || nodes < kNone || std::isfinite(seconds) || std::isfinite(flops);
  }
  int64_t tokens_left(const Usage& used, int64_t prompt_tokens) const {
    int64_t left = std::max<int64_t>(0, tokens - used.generated - used.read());
    if (std::isfinite(flops)) {
      const int64_t end = prompt_tokens + longest;
      const double price = std::max({write_flops.behind(end), critic_flops.behind(end), 1.0});  // whatever comes next
      const double affordable = (flops - flops_spent(used, prompt_tokens)) / price;
      left = std::min(left, static_cast<int64_t>(std::clamp(affordable, 0.0, 1e15)));
    }
    return left;
  }
  int64_t nodes_left(const Usage& used) const { return std::max<int64_t>(0, nodes - used.nodes); }
};

}  // namespace ponder::core
