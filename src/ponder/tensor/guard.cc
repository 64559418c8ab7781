#include "ponder/tensor/guard.h"

#include <string>

namespace ponder::tensor {

void throw_translated(const c10::Error& error, const char* where) {
  const std::string message = error.what_without_backtrace();
  const bool memory = dynamic_cast<const c10::OutOfMemoryError*>(&error) != nullptr ||
                      message.find("not enough memory") != std::string::npos;
  if (memory) throw Error(ErrorCode::kResource, "not enough memory: " + message, where);
  throw Error(ErrorCode::kInternal, message, where);
}

}  // namespace ponder::tensor
