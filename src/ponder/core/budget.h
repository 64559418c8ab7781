// What a search spent, and what it may spend. Budgets are never exceeded: a request is cut to what is left before it is
// sent, so what is in flight is already paid for.
#pragma once
#include <algorithm>
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

// Tokens written plus tokens read to judge, and nodes.
struct Budget {
  int64_t tokens = std::numeric_limits<int64_t>::max();
  int64_t nodes = std::numeric_limits<int64_t>::max();
  int64_t tokens_left(const Usage& used) const { return std::max<int64_t>(0, tokens - used.generated - used.read()); }
  int64_t nodes_left(const Usage& used) const { return std::max<int64_t>(0, nodes - used.nodes); }
};

}  // namespace ponder::core
