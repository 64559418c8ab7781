// Joins values into one string; the only formatting that the project uses (g++ 12 has no <format>).
#pragma once
#include <charconv>
#include <string>
#include <string_view>
#include <type_traits>

namespace ponder::base {

template <class T>
void append(std::string& out, const T& value) {
  if constexpr (std::is_same_v<T, bool>) {
    out += value ? "true" : "false";
  } else if constexpr (std::is_same_v<T, char>) {
    out += value;
  } else if constexpr (std::is_arithmetic_v<T>) {
    char buffer[48];
    auto [end, ec] = std::to_chars(buffer, buffer + sizeof buffer, value);  // shortest text that reads back the same
    out.append(buffer, end);
  } else {
    out += std::string_view(value);
  }
}

template <class... Ts>
std::string cat(const Ts&... values) {
  std::string out;
  (append(out, values), ...);
  return out;
}

// Fixed number of digits behind the point, for people: fixed(0.4567, 2) = "0.46".
std::string fixed(double value, int digits);
// 1234567 -> "1.23M", 4096 -> "4.10k"; for people.
std::string human_count(double value);
// Seconds -> "8.2 s", "3 min 05 s", "1 h 02 min"; for people.
std::string human_seconds(double seconds);
}  // namespace ponder::base
