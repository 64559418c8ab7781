// Rows to learn from, and their packing: several rows one behind the other in one forward pass, without padding.
// Recipes make rows, learner.cc packs them.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "ponder/core/example.h"
#include "ponder/core/trajectory.h"
#include "ponder/learn/losses.h"
#include "ponder/tensor/ops.h"

namespace ponder::learn {

// Every list but tokens has one number for each token, or is empty. weights[i] is the weight of token i: of its
// prediction from those before it (then weights[0] must be 0), or of the score read behind it (critics). 0 = not
// learned from.
struct Row {
  core::Tokens tokens = {};            // [n] prompt and completion
  std::vector<float> weights = {};     // [n]
  std::vector<float> advantages = {};  // [n] policy losses
  std::vector<float> logp_old = {};    // [n] log-probs under the policy that sampled; empty = the policy that learns
  std::vector<float> logp_ref = {};    // [n] log-probs under the reference; empty = none
  std::vector<float> labels = {};      // [n] critics: chance in [0, 1] of a correct answer
};

Row make_row(const core::Example& example);
// One advantage for the whole completion; the prompt has weight 0.
Row make_row(const core::Trajectory& trajectory, float advantage);
// A critic's row: labels[k] belongs to the prefix of positions[k] ≥ 1 tokens.
Row make_row(core::Tokens tokens, std::span<const int64_t> positions, std::span<const float> labels);

// What a loss reads at a learned position: the log-prob of the token there, or the score behind it.
enum class Reads { kTokens, kScores };

// Rows of one forward pass. P = learned positions of all its rows. Neighbouring rows that begin with the same tokens
// (the samples of one prompt, a chosen and a rejected answer) share them: they are read once, as a sequence of its own,
// and each of the rows is a sequence that continues it.
struct Pack {
  std::vector<size_t> rows;            // [S] which rows, in this order
  std::vector<int64_t> ids;            // [T] input tokens; nothing behind the last position that is needed
  tensor::Packing packing = {};        // where each sequence begins in ids, and which continue one
  std::vector<int64_t> hidden;         // [P] row of the hidden states that is read
  std::vector<int64_t> targets;        // [P] the token to be predicted; the token itself for scores
  std::vector<int64_t> sources;        // [P] index within the row's lists
  std::vector<int64_t> offsets = {0};  // [S+1] where each row begins in what follows
  std::vector<double> mask, advantages, logp_old, logp_ref, labels;  // [P], or empty
  // Of the rows first … end − 1, whose values these are; `row_offsets` is filled and must live as long as the input.
  LossInput loss_input(size_t first, size_t end, std::span<const double> values,
                       std::vector<int64_t>& row_offsets) const;
};

struct PackOptions {
  int64_t max_tokens = 4096;  // a longer row has a pack of its own
  int workers = 1;
  size_t unit = 1;          // this many rows in sequence stay together: 2 for pairs (chosen, then rejected)
  int64_t min_shared = 32;  // tokens; a shorter common beginning is read once a row
};

// Packs of even size, as many as a multiple of the workers wherever there are rows enough: pack j belongs to worker j
// mod workers. Rows that learn nothing (all weights 0) are left out. The same rows give the same packs.
std::vector<Pack> make_packs(std::span<const Row> rows, Reads reads, const PackOptions& options);

}  // namespace ponder::learn
