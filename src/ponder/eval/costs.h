// What searches cost, all of it: tokens of every kind, time, FLOPs, memory. For the texts of `ponder solve` and `eval`;
// the JSON has the same figures by name.
#pragma once
#include <cstdint>
#include <string>

#include "ponder/search/search.h"

namespace ponder::eval {

struct Costs {
  core::Usage usage = {};
  int64_t unique = 0, discarded = 0, recomputed = 0;  // tokens (search::unique_tokens() and its neighbours)
  double flops = 0;
  double seconds = 0;  // wall time
  int64_t problems = 0;
  Costs& operator+=(const Costs& o);
};
Costs costs_of(const search::SearchResult& result, double flops, double seconds);

// "12 tokens written, 40 processed, 38 unique, 0 read to judge, 1.20M FLOPs, 0.30 s"; what was guessed, discarded,
// run through another model or run again where there was any.
std::string costs_line(const Costs& costs);
// A line a problem (means) and one for all of them. seconds: wall time of all; the rows' own, which overlap, are not
// looked at. kv_peak_bytes: the most that keys and values took.
std::string costs_table(const Costs& costs, double seconds, int64_t kv_peak_bytes);

}  // namespace ponder::eval
