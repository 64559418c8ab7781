// A row to learn from by imitation: what craft makes and learn packs.
#pragma once
#include <cstddef>
#include <vector>

#include "ponder/core/token.h"

namespace ponder::core {

struct Example {
  Tokens tokens;  // [n] prompt and response
  std::vector<float>
      weights;  // [n] weight of predicting token i from those before it: 0 for the prompt and for planted
                //     slips (read, never imitated), 1 for what is to be learned; weights[0] is 0
};

}  // namespace ponder::core
