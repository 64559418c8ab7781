// The filters and tests that templates may name. Used by the scopes pass (is there one?) and the interpreter.
#pragma once
#include <string_view>

#include "ponder/text/jinja_value.h"

namespace ponder::text::jinja {

// input: the value on the left; the rest as a function's.
struct NativeFilter {
  std::string_view name;
  Native run;  // null: Jinja has it, templates here have not
};

const NativeFilter* find_filter(std::string_view name);  // null: Jinja has none of that name
const NativeFilter* find_test(std::string_view name);
// Parts of find_filter.
const NativeFilter* find_list_filter(std::string_view name);
const NativeFilter* find_text_filter(std::string_view name);

}  // namespace ponder::text::jinja
