// What this process takes of the machine's memory.
#pragma once

namespace ponder::base {

double resident_bytes();  // 0 where the system does not say

// Gives what was freed back to the system: after much was built up and thrown away, and before a long time of work.
void return_freed_memory();

}  // namespace ponder::base
