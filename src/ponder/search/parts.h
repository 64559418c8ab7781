// Problems taken apart in words: questions on the way, their answers, and what is known by then. Called by
// decompose.cc, rstar.cc and rap.cc.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "ponder/search/search.h"

namespace ponder::search {

// The questions of a plan, line by line, without what lists them ("1.", "-"), `most` at most.
std::vector<std::string> questions_of(const std::string& plan, int64_t most);
// What is known, and one question with its answer more.
std::string with_part(const std::string& known, const std::string& question, const std::string& answer);

// One reply; "" when the budget cannot pay for it, which is said in *paid.
core::Task<std::string> ask_one(Search& search, core::Asking asking, core::SampleParams params, int64_t max_tokens,
                                bool* paid);

// UCT (Kocsis & Szepesvári 2006) over states of a strategy's own: what each has seen.
struct Arm {
  int64_t parent = -1;  // its number among the states
  int64_t visits = 0;
  double sum = 0;  // of the values behind it
  double mean() const { return visits > 0 ? sum / static_cast<double>(visits) : 0; }
};
// Q + c·√(ln N(parent) / N); infinite for what was never visited.
double uct(const Arm& arm, const Arm& parent, double c);

}  // namespace ponder::search
