#include "ponder/base/memory.h"

#include <unistd.h>

#include <fstream>

namespace ponder::base {

double resident_bytes() {
  double pages = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> pages >> resident;
  return resident * static_cast<double>(::sysconf(_SC_PAGESIZE));
}

}  // namespace ponder::base
