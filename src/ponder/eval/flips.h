// What revising answers changes, round by round: how many went from wrong to right, and how many from right to wrong.
// Counted behind the search by those who grade; the search knows no grade. Called by `ponder eval` and scaling.cc.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "ponder/base/json.h"

namespace ponder::eval {

// Of one round. n: revisions that came to their end; both counts of flips are of these. Of them whatever has no answer
// is wrong.
struct Flips {
  int64_t n = 0, to_right = 0, to_wrong = 0;
  int64_t right_before = 0;
  int64_t cut = 0;  // revisions that the budget ended before they had an answer: they say nothing of revising
  int64_t right_after() const { return right_before + to_right - to_wrong; }
};

// Adds the revisions of one search. revises: of each candidate the number of the one that it revises, which stands
// before it, or -1 for a first answer (search::revised_candidates()). Revisions of first answers are rounds[0], those
// of these rounds[1], …: in a tree of revisions its levels. cut: which of the candidates the budget ended
// (search::Candidate::cut).
void add_flips(const std::vector<int64_t>& revises, const std::vector<bool>& correct, const std::vector<bool>& cut,
               std::vector<Flips>& rounds);

// [{"round" (from 1),"n","incorrect_to_correct","correct_to_incorrect","correct_before","correct_after","cut"}].
base::Json flips_json(const std::vector<Flips>& rounds);

// The same for the terminal, from the JSON; "" without a round.
std::string flips_table(const base::Json& rounds);

}  // namespace ponder::eval
