// Writes examples token by token with their weights; the one place that knows the surface of a step.
#pragma once
#include <initializer_list>
#include <optional>

#include "ponder/base/rng.h"
#include "ponder/core/example.h"
#include "ponder/craft/puzzle.h"
#include "ponder/craft/slips.h"
#include "ponder/text/words.h"

namespace ponder::craft {

class TraceWriter {
 public:
  // slip: chance that a step is first written wrong and then corrected.
  TraceWriter(core::Example& out, double slip, base::Rng& rng) : out_(out), slip_(slip), rng_(rng) {}

  void prompt(const core::Tokens& tokens) { write(tokens, 0); }  // read, not learned
  void put(std::initializer_list<core::Token> tokens) {
    for (core::Token t : tokens) put(t, 1);
  }
  void put(const core::Tokens& tokens) { write(tokens, 1); }
  // "a op b = result", or "a op b no".
  void equation(const TraceStep& step) { equation(step, {}); }
  // The same with ", result rest…" where something is left.
  void equation_and_rest(const TraceStep& step) { equation(step, step.rest); }
  // "? target yes|no"
  void check(int target, bool yes) { put({text::kAsk, target, yes ? text::kYes : text::kNo}); }

 private:
  void write(const core::Tokens& tokens, float weight) {
    for (core::Token t : tokens) put(t, weight);
  }
  void put(core::Token token, float weight) {
    out_.tokens.push_back(token);
    out_.weights.push_back(out_.weights.empty() ? 0 : weight);
  }
  void equation(const TraceStep& step, core::TokenSpan rest);

  core::Example& out_;
  const double slip_;
  base::Rng& rng_;
};

}  // namespace ponder::craft
