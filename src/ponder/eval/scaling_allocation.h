// Compute-optimal allocation (Snell et al. 2024, arXiv 2408.03314, §3.2): problems fall into bins by how hard they
// look, and each bin gets the search that did best on it. For scaling.cc.
#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace ponder::eval {

// Ease (0 to 1) from which on a problem is easy, and below which it is hard; the defaults of `auto`.
inline constexpr double kEasyAt = 1.0, kHardAt = 0.5;
inline constexpr std::array<const char*, 3> kBins = {"easy", "middle", "hard"};
size_t bin_of(double ease);

inline constexpr const char* kStop = "stop";  // the vote of the probe, and no more

struct Choice {
  std::string name;                     // of its curve, or kStop
  std::vector<double> correct, tokens;  // [problem] 1 or 0; what it spends
  double unknown = 0;                   // share of the problems of which nobody knows, and that count as wrong
};

// Which choice is the best one for each bin, over all problems: it has most right there. Where others have as many,
// kStop, because the rest is wasted then; else, and in a bin without a problem, the one that has most right over all.
std::array<size_t, 3> best_of_bins(std::span<const double> ease, std::span<const Choice> choices);

// Two-fold: what one half of the problems says is best for a bin is used in the other half.
struct Allocated {
  std::vector<double> correct, tokens;  // [problem]
  struct Bin {
    int64_t n = 0;
    std::array<size_t, 2> chosen = {};  // used in each half
  };
  std::array<Bin, 3> bins;
};
Allocated allocate(std::span<const double> ease, std::span<const Choice> choices,
                   std::span<const std::string> clusters);

}  // namespace ponder::eval
