#include "ponder/text/byte_alphabet.h"

#include <array>

#include "ponder/text/unicode.h"

namespace ponder::text {
namespace {

// Bytes that print stand for themselves, the others for U+0100 and on in their order.
struct Alphabet {
  std::array<char32_t, 256> spelled;
  std::array<int16_t, 512> bytes;
  Alphabet() {
    bytes.fill(-1);
    char32_t next = 0x100;
    for (char32_t b = 0; b < 256; ++b) {
      const bool prints = (b >= '!' && b <= '~') || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
      spelled[b] = prints ? b : next++;
      bytes[spelled[b]] = static_cast<int16_t>(b);
    }
  }
};

const Alphabet& alphabet() {
  static const Alphabet instance;
  return instance;
}

}  // namespace

std::optional<std::string> spelled_bytes(std::string_view token) {
  std::string out;
  out.reserve(token.size());
  for (size_t at = 0; at < token.size();) {
    const CodePoint c = code_point_at(token, at);
    const int byte = c.value < alphabet().bytes.size() ? alphabet().bytes[c.value] : -1;
    if (byte < 0) return std::nullopt;
    out += static_cast<char>(byte);
    at += c.length;
  }
  return out;
}

std::string spell_bytes(std::string_view bytes) {
  std::string out;
  for (const char b : bytes) append_utf8(out, alphabet().spelled[static_cast<unsigned char>(b)]);
  return out;
}

}  // namespace ponder::text
