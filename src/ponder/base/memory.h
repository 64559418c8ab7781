// What this process takes of the machine's memory.
#pragma once

namespace ponder::base {

double resident_bytes();  // 0 where the system does not say

}  // namespace ponder::base
