// How good the signals are that searches go by: what each says of answers that are there anyway, against the exact
// verifier, whose verdicts no signal has seen. Which answers are told apart (AUROC, over all and within a problem), and
// what is gained by answering only where a signal is high (risk and coverage). For scaling.cc.
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ponder/base/rng.h"
#include "ponder/eval/scaling_rows.h"

namespace ponder::eval {

// What a signal says of the answers of one problem; of those alone that it says something of.
struct SignalProblem {
  std::string cluster;
  std::vector<double> values;  // higher: more likely right; any scale
  std::vector<int> correct;    // 1: right, 0: wrong
};
struct Signal {
  std::string name;
  std::string of;        // the strategy whose answers they are
  bool control = false;  // knows nothing, or nothing but the length
  std::vector<SignalProblem> problems;
};

// What is said of answer i of a row; nothing where the signal is silent. Answers that claim nothing are not asked for.
using SignalValue = std::function<std::optional<double>(const ScalingRow& row, size_t i)>;
Signal signal_of(std::span<const ScalingRow* const> rows, std::string name, bool control, const SignalValue& value);
std::optional<double> score_of(const ScalingRow& row, size_t i);  // its guide's, where somebody gave it one
double vote_of(const ScalingRow& row, size_t i);                  // share of the row's answers that equal it

// Free ones of a pool of samples, a row a problem: likelihood, vote (the share of the pool's answers that equal it),
// the guide's score under the guide's name where that is another one, length (shorter first) and random. Of what the
// rows do not hold no problem has values.
std::vector<Signal> signals_of_pool(std::span<const ScalingRow* const> pool, base::RngKey key);
// The scores of a strategy's answers, where its rows name their guide.
Signal signal_of_guide(std::span<const ScalingRow* const> rows);

// Pairs of a right and a wrong answer of a problem, and how many of them a signal orders rightly, ties half.
struct Pairs {
  double won = 0, all = 0;
};
Pairs pairs_of(const SignalProblem& problem);

// Chance that a right answer has a higher value than a wrong one of the same problem, ties half: over all such pairs,
// so a problem weighs as much as it has of them. weights: how often each problem is there. NaN without a pair.
double auroc_within(std::span<const SignalProblem> problems, std::span<const double> weights);
double auroc_within(std::span<const Pairs> pairs, std::span<const double> weights);

// With fewer than six clusters that have right answers, or wrong ones, not even a sign test in which all agree is below
// 5%, and the bootstrap hardly sees any spread.
inline constexpr int64_t kFewestClusters = 6;
int64_t clusters_with_pairs(std::span<const SignalProblem> problems);  // that have a right and a wrong answer

// 1 for each problem whose answer with the highest value (the first of equals) is right; without an answer it is wrong.
std::vector<double> right_by(std::span<const SignalProblem> problems);

// Selective answering (El-Yaniv & Wiener 2010, JMLR 11): each problem's answer is the one with the highest value, the
// first of equals; problems are ordered by that value, those without an answer last and wrong.
struct RiskCoverage {
  std::vector<double> risk;  // [n] risk[k − 1]: share of wrong ones among the k most confident problems; of problems
                             // with equal values, in the mean over their orders
  double aurc = 0;           // mean of these: area under risk over coverage. Geifman & El-Yaniv 2018 (1805.08206), §2
  double error = 0;          // share of wrong ones among all: the area for problems in random order
};
// weights: whole numbers, how often each problem is there; at least one is.
RiskCoverage risk_coverage(std::span<const SignalProblem> problems, std::span<const double> weights);

// Of all these signals the figures, with 95% intervals over resampled clusters, and words that say whether an interval
// leaves out chance. Signals that say nothing of any answer are left out.
base::Json signals_json(std::span<const Signal> signals, base::RngKey key);
// What a reader should take away of them; "" without any.
std::string signals_sentence(const base::Json& signals);

}  // namespace ponder::eval
