#include "ponder/tasks/math_units.h"

#include <cctype>
#include <unordered_map>
#include <utility>
#include <vector>

#include "ponder/base/cat.h"

namespace ponder::tasks {
namespace {

struct Unit {
  const char* name;
  const char* dimension;
  const char* factor;
};

// One of each unit's names; its other spellings stand in aliases(). An empty dimension: known, never converted.
constexpr Unit kUnits[] = {{"mm", "length", "1/1000"},
                           {"cm", "length", "1/100"},
                           {"dm", "length", "1/10"},
                           {"m", "length", "1/1"},
                           {"km", "length", "1000/1"},
                           {"inch", "length", "254/10000"},
                           {"foot", "length", "3048/10000"},
                           {"yard", "length", "9144/10000"},
                           {"mile", "length", "1609344/1000"},
                           {"mg", "mass", "1/1000000"},
                           {"g", "mass", "1/1000"},
                           {"kg", "mass", "1/1"},
                           {"pound", "mass", "45359237/100000000"},
                           {"ounce", "mass", "45359237/1600000000"},
                           {"ms", "time", "1/1000"},
                           {"second", "time", "1/1"},
                           {"minute", "time", "60/1"},
                           {"hour", "time", "3600/1"},
                           {"day", "time", "86400/1"},
                           {"week", "time", "604800/1"},
                           {"ml", "volume", "1/1000"},
                           {"l", "volume", "1/1"},
                           {"cent", "dollars", "1/100"},
                           {"dollar", "dollars", "1/1"},
                           {"percent", "", ""},
                           {"degree", "", ""},
                           {"month", "", ""},
                           {"year", "", ""},
                           {"mph", "", ""},
                           {"kmh", "", ""},
                           {"unit", "", ""},
                           {"gallon", "", ""},
                           {"acre", "", ""},
                           {"hectare", "", ""},
                           {"radian", "", ""}};

const std::unordered_map<std::string_view, std::string_view>& aliases() {
  static const std::unordered_map<std::string_view, std::string_view> names{
      {"millimeter", "mm"}, {"millimetre", "mm"},
      {"centimeter", "cm"}, {"centimetre", "cm"},
      {"decimeter", "dm"},  {"meter", "m"},
      {"metre", "m"},       {"kilometer", "km"},
      {"kilometre", "km"},  {"inches", "inch"},
      {"in", "inch"},       {"feet", "foot"},
      {"ft", "foot"},       {"yd", "yard"},
      {"mi", "mile"},       {"milligram", "mg"},
      {"gram", "g"},        {"kilogram", "kg"},
      {"lb", "pound"},      {"oz", "ounce"},
      {"s", "second"},      {"sec", "second"},
      {"min", "minute"},    {"h", "hour"},
      {"hr", "hour"},       {"milliliter", "ml"},
      {"mL", "ml"},         {"millilitre", "ml"},
      {"liter", "l"},       {"litre", "l"},
      {"L", "l"},           {"usd", "dollar"},
      {"pct", "percent"},   {"percentage", "percent"},
      {"deg", "degree"}};
  return names;
}

const Unit* find_unit(std::string_view word) {
  for (const Unit& unit : kUnits)
    if (word == unit.name) return &unit;
  auto it = aliases().find(word);
  if (it == aliases().end()) return nullptr;
  for (const Unit& unit : kUnits)
    if (it->second == unit.name) return &unit;
  return nullptr;
}

std::string lower(std::string_view word) {
  std::string out(word);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

// A unit in its one spelling: "Hours" is "hour".
const Unit* unit_of_word(std::string_view word) {
  if (const Unit* unit = find_unit(word)) return unit;
  std::string small = lower(word);
  if (const Unit* unit = find_unit(small)) return unit;
  if (small.size() > 2 && small.back() == 's') return find_unit(small.substr(0, small.size() - 1));
  return nullptr;
}

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  for (char c : text) {
    if (c == ' ' || c == '.' || c == '{' || c == '}' || c == '\\' || c == '~') {
      if (!word.empty()) words.push_back(std::exchange(word, ""));
    } else {
      word += c;
    }
  }
  if (!word.empty()) words.push_back(word);
  return words;
}

}  // namespace

bool is_unit_word(std::string_view word) {
  // One letter is a variable, and "in" or "min" are words of their own.
  return word.size() > 1 && word != "in" && word != "min" && word != "mi" && unit_of_word(word) != nullptr;
}

std::string unit_name(std::string_view text) {
  std::string power, out;
  for (const std::string& word : words_of(text)) {
    std::string small = lower(word);
    if (small == "square" || small == "sq") {
      power = "^2";
    } else if (small == "cubic" || small == "cu") {
      power = "^3";
    } else {
      std::string tail;
      std::string head = word;
      if (size_t hat = word.find('^'); hat != std::string::npos) tail = word.substr(hat), head = word.substr(0, hat);
      const Unit* unit = unit_of_word(head);
      base::append(out, base::cat(out.empty() ? "" : " ", unit ? std::string(unit->name) : lower(head), tail, power));
      power.clear();
    }
  }
  return out;
}

std::optional<UnitValue> unit_value(std::string_view name) {
  int power = 1;
  if (name.ends_with("^2")) power = 2;
  if (name.ends_with("^3")) power = 3;
  if (power > 1) name.remove_suffix(2);
  const Unit* unit = find_unit(name);
  if (!unit || !*unit->dimension) return std::nullopt;
  if (power == 1) return UnitValue{unit->dimension, unit->factor};
  std::string_view factor = unit->factor;
  std::string_view top = factor.substr(0, factor.find('/')), below = factor.substr(factor.find('/') + 1);
  UnitValue value{base::cat(unit->dimension, "^", power), ""};
  std::string tops(top), belows(below);
  for (int i = 1; i < power; ++i) base::append(tops, base::cat("*", top)), base::append(belows, base::cat("*", below));
  value.factor = base::cat("(", tops, ")/(", belows, ")");
  return value;
}

}  // namespace ponder::tasks
