// Turns LibTorch's exceptions into ponder::Error, so that nothing else crosses the tensor wing's border.
// Called at the entry points of model, engine and learn that recipes call.
#pragma once
#include <c10/util/Exception.h>

#include <utility>

#include "ponder/base/error.h"

namespace ponder::tensor {

// Out of memory -> Error(kResource), anything else -> Error(kInternal); the message is LibTorch's without its
// backtrace.
[[noreturn]] void throw_translated(const c10::Error& error, const char* where);

// guarded("learn/step", [&] { … }) runs the function and gives its result.
template <class Function>
decltype(auto) guarded(const char* where, Function&& function) {
  try {
    return std::forward<Function>(function)();
  } catch (const c10::Error& error) {
    throw_translated(error, where);
  }
}

}  // namespace ponder::tensor
