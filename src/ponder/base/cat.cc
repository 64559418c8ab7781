#include "ponder/base/cat.h"

#include <cmath>

namespace ponder::base {

std::string fixed(double value, int digits) {
  char buffer[400];  // the largest double has 309 digits before the point
  auto [end, ec] = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::fixed, digits);
  std::string text(buffer, ec == std::errc() ? end : buffer);
  const bool is_negative_zero =
      text.size() > 1 && text[0] == '-' && text.find_first_not_of("0.", 1) == std::string::npos;
  return is_negative_zero ? text.substr(1) : text;
}

std::string human_count(double value) {
  if (!std::isfinite(value)) return cat(value);
  if (value < 0) return "-" + human_count(-value);
  static constexpr const char* kSuffixes[] = {"", "k", "M", "G", "T", "P", "E"};
  if (value < 1000 && value == std::floor(value)) return fixed(value, 0);
  size_t unit = 0;
  // 999.5 and not 1000: three digits of 999,999 would otherwise print as 1000k.
  while (value >= 999.5 && unit + 1 < std::size(kSuffixes)) value /= 1000, ++unit;
  const int digits = value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return fixed(value, digits) + kSuffixes[unit];
}

std::string human_seconds(double seconds) {
  if (!(seconds < 1e12)) return "unknown time";
  if (seconds < 59.95) return fixed(seconds, 1) + " s";
  const auto two_digits = [](int64_t n) { return cat(n < 10 ? "0" : "", n); };
  const int64_t whole = std::llround(seconds);
  if (whole < 3600) return cat(whole / 60, " min ", two_digits(whole % 60), " s");
  const int64_t minutes = std::llround(seconds / 60);
  return cat(minutes / 60, " h ", two_digits(minutes % 60), " min");
}

}  // namespace ponder::base
