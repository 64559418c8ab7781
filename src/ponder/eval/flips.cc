#include "ponder/eval/flips.h"

#include "ponder/base/cat.h"
#include "ponder/base/error.h"
#include "ponder/eval/text_table.h"

namespace ponder::eval {

void add_flips(const std::vector<int64_t>& revises, const std::vector<bool>& correct, const std::vector<bool>& cut,
               std::vector<Flips>& rounds) {
  PONDER_CHECK(revises.size() == correct.size() && cut.size() == correct.size(), "one grade for each candidate");
  std::vector<size_t> round(revises.size(), 0);  // 0: a first answer
  for (size_t i = 0; i < revises.size(); ++i) {
    if (revises[i] < 0) continue;
    const auto before = static_cast<size_t>(revises[i]);
    PONDER_CHECK(before < i, "an answer is revised before it is there");
    round[i] = round[before] + 1;
    if (rounds.size() < round[i]) rounds.resize(round[i]);
    Flips& flips = rounds[round[i] - 1];
    if (cut[i]) {
      flips.cut += 1;
      continue;
    }
    flips.n += 1;
    flips.right_before += correct[before];
    flips.to_right += !correct[before] && correct[i];
    flips.to_wrong += correct[before] && !correct[i];
  }
}

base::Json flips_json(const std::vector<Flips>& rounds) {
  base::Json list = base::Json::array();
  for (size_t r = 0; r < rounds.size(); ++r) {
    const Flips& flips = rounds[r];
    base::Json row = base::Json::object();
    row["round"] = static_cast<int64_t>(r) + 1, row["n"] = flips.n;
    row["incorrect_to_correct"] = flips.to_right, row["correct_to_incorrect"] = flips.to_wrong;
    row["correct_before"] = flips.right_before, row["correct_after"] = flips.right_after();
    row["cut"] = flips.cut;
    list.push_back(std::move(row));
  }
  return list;
}

std::string flips_table(const base::Json& rounds) {
  TextTable table({"revision", "answers", "wrong to right", "right to wrong", "right before", "right after", "cut"});
  for (const base::Json& row : rounds.as_array()) {
    const auto text = [&](const char* field) { return base::cat(row.at(field).as_int()); };
    table.add({base::cat("round ", row.at("round").as_int()), text("n"), text("incorrect_to_correct"),
               text("correct_to_incorrect"), text("correct_before"), text("correct_after"), text("cut")});
  }
  return table.text();
}

}  // namespace ponder::eval
