// The one exception type. Exceptions are for what must not happen or what the user must mend; a wrong answer,
// an unparsable completion or a spent budget are values.
#pragma once
#include <exception>
#include <string>

#include "ponder/base/cat.h"

namespace ponder {

enum class ErrorCode {
  kUsage,     // bad command line or configuration          -> exit 2
  kInput,     // bad input file                             -> exit 3
  kResource,  // not enough memory or disk, device lost     -> exit 4
  kStopped,   // the user stopped the program               -> exit 130
  kInternal,  // a broken promise inside the program        -> exit 1
};

class Error : public std::exception {
 public:
  // what was wrong and what would be right; where: "file:line", "file:key" or a source position.
  Error(ErrorCode code, std::string message, std::string where = "");
  ErrorCode code() const { return code_; }
  const std::string& message() const { return message_; }
  const std::string& where() const { return where_; }
  const char* what() const noexcept override { return what_.c_str(); }  // "where: message"

 private:
  ErrorCode code_;
  std::string message_, where_, what_;
};

int exit_status(ErrorCode code);

namespace base {
[[noreturn]] void check_failed(const char* expression, const char* file, int line, const std::string& message);
}

// Always on. The message says what would be right: PONDER_CHECK(n > 0, "n must be positive, got ", n).
#define PONDER_CHECK(condition, ...)                                                    \
  do {                                                                                  \
    if (!(condition)) [[unlikely]]                                                      \
      ::ponder::base::check_failed(#condition, __FILE__, __LINE__,                      \
                                   ::ponder::base::cat("" __VA_OPT__(, ) __VA_ARGS__)); \
  } while (0)

}  // namespace ponder
