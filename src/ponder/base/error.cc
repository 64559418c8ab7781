#include "ponder/base/error.h"

namespace ponder {

Error::Error(ErrorCode code, std::string message, std::string where)
    : code_(code), message_(std::move(message)), where_(std::move(where)) {
  what_ = where_.empty() ? message_ : where_ + ": " + message_;
}

int exit_status(ErrorCode code) {
  switch (code) {
    case ErrorCode::kUsage:
      return 2;
    case ErrorCode::kInput:
      return 3;
    case ErrorCode::kResource:
      return 4;
    case ErrorCode::kStopped:
      return 130;
    case ErrorCode::kInternal:
      return 1;
  }
  return 1;
}

namespace base {
void check_failed(const char* expression, const char* file, int line, const std::string& message) {
  // From "src/" on: where the tree was built says nothing to the reader.
  std::string_view path = file;
  if (const size_t at = path.rfind("src/ponder/"); at != std::string_view::npos) path.remove_prefix(at);
  throw Error(ErrorCode::kInternal, cat("check failed: ", expression, message.empty() ? "" : "; ", message),
              cat(path, ":", line));
}
}  // namespace base
}  // namespace ponder
