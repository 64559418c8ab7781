// What a reader should take away of a study of search, in words. For scaling.cc.
#pragma once
#include <map>
#include <string>

#include "ponder/base/json.h"

namespace ponder::eval {

// study: all of scaling_json() but these sentences. pool_ended_early: of how many problems the pool of samples ended
// before the largest budget was spent; first_errors: by strategy, why the first of its searches that failed did. A
// difference is called one only where its interval leaves out zero.
base::Json scaling_sentences(const base::Json& study, double pool_ended_early,
                             const std::map<std::string, std::string>& first_errors);

}  // namespace ponder::eval
