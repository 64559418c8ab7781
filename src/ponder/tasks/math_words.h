// The vocabulary of math_parse: what the names of commands and the words of plain text mean.
#pragma once
#include <string_view>

#include "ponder/tasks/math_lex.h"

namespace ponder::tasks {

bool is_function_name(std::string_view name);             // sin, log, sqrt, …
std::string_view command_of_word(std::string_view word);  // "pi" is \pi; "" for words that are no command
std::string_view number_of_word(std::string_view word);   // "twelve" is "12"; "" for all others
char relation_of(const MathToken& token);                 // the kEqual, kLess, … of math_tree.h; '\0' for none
bool is_connective(std::string_view command);             // a command that no factor begins with

}  // namespace ponder::tasks
