// A problem as search, sampling and selection see it. It holds no gold answer: that stands beside it, in Item, and only
// tasks (verifiers), reward and eval take Items.
#pragma once
#include <string>
#include <vector>

#include "ponder/base/json.h"

namespace ponder::core {

struct Problem {
  std::string id;        // unique within its file or split
  std::string task;      // task name: countdown3, vm3, …
  std::string question;  // what the model reads, in the task's own words; text/ renders it to token ids
  base::Json data;       // the task's public fields, for example {"numbers":[13,8,2],"target":18}
};

// A problem and what only its verifier may know (hidden unit tests, a reference answer); null where the verifier needs
// no more than the problem itself.
struct Item {
  Problem problem;
  base::Json gold;
};

enum class VerdictKind { kCorrect, kWrong, kUnparsable, kTimeout, kCannotJudge };
const char* verdict_name(VerdictKind kind);  // "correct", "wrong", "unparsable", "timeout", "cannot_judge"

struct Verdict {
  VerdictKind kind = VerdictKind::kCannotJudge;
  std::string extracted;  // the answer as the verifier read it, in canonical form; empty if none was found
  std::string reason;     // for people: why it is not correct
  bool correct() const { return kind == VerdictKind::kCorrect; }
};

}  // namespace ponder::core
