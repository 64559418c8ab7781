// The vocabulary of the grammar (math_grammar.h): what the names of commands and the words of plain text mean.
#pragma once
#include <string_view>

#include "ponder/tasks/math_lex.h"

namespace ponder::tasks {

bool is_function_name(std::string_view name);             // sin, log, sqrt, …
bool is_function_letter(std::string_view name);           // begins a symbol that "(" makes a function: f, H_{2}, Phi
bool is_fraction_name(std::string_view name);             // frac, dfrac, …
bool is_accent_name(std::string_view name);               // overline, vec, …: with what is below it one symbol
std::string_view command_of_word(std::string_view word);  // "pi" is \pi; "" for words that are no command
std::string_view number_of_word(std::string_view word);   // "twelve" is "12"; "" for all others
char relation_of(const MathToken& token);                 // the kEqual, kLess, … of math_tree.h; '\0' for none
bool is_connective(std::string_view command);             // a command that no factor begins with

}  // namespace ponder::tasks
