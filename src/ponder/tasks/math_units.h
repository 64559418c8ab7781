// Units behind a value: "5 cm", "3 \text{ hours}", "50 cents". A unit that one answer names and the other leaves out
// does not matter; two units must measure the same thing, and the values are compared after conversion.
#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace ponder::tasks {

bool is_unit_word(std::string_view word);       // a word that is known as a unit: "cm", "dollars"
std::string unit_name(std::string_view words);  // "square  Centimeters" -> "cm^2"; unknown words in lower case
struct UnitValue {
  std::string dimension;  // "length", "length^2", "time", …
  std::string factor;     // to the base unit, as a fraction "num/den"
};
std::optional<UnitValue> unit_value(std::string_view name);  // of a known unit_name

}  // namespace ponder::tasks
