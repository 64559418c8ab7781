// Signals out of distribution: the same ones over the answers to problems of another kind, and what each has lost
// there. For scaling.cc.
#pragma once
#include <string>

#include "ponder/base/json.h"

namespace ponder::eval {

// home, away: of signals_json(); the problems of both are different ones. For each signal of the same name and of the
// pool that both have: {name, control, auroc, auroc_within, gain}, each {home, away, drop, low, high, verdict} or null
// where one of them has no such figure. low and high: 95%, of the drop home − away.
base::Json drops_json(const base::Json& home, const base::Json& away);
std::string shift_sentence(const base::Json& shift);  // "" without any signal

}  // namespace ponder::eval
