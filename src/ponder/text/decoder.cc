#include "ponder/text/decoder.h"

#include "ponder/text/byte_alphabet.h"
#include "ponder/text/unicode.h"

namespace ponder::text {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// The byte of "<0xE2>", −1 for other tokens.
int fallback_byte(std::string_view token) {
  if (token.size() != 6 || !token.starts_with("<0x") || token[5] != '>') return -1;
  const int high = hex_digit(token[3]), low = hex_digit(token[4]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

void replace_all(std::string& text, const std::string& from, const std::string& to) {
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
}

// Reads a chain step by step; what has been read decides what may follow.
class ChainReader {
 public:
  void read(const JsonPart& part) {
    const std::string& type = part.type();
    if (type == "Sequence") return part.each("decoders", [this](const JsonPart& step) { read(step); });
    if (plan_.byte_level) part.fail("type", base::cat("\"", type, "\" behind ByteLevel is not supported"));
    if (type == "ByteLevel") {
      if (is_started_) part.fail("type", "ByteLevel behind other decoders is not supported");
      plan_.byte_level = true;
    } else if (type == "Replace") {
      if (is_fused_ || plan_.byte_fallback) part.fail("type", "Replace must stand before ByteFallback and Fuse");
      const JsonPart pattern = part.part("pattern");
      if (pattern.string("String").empty()) pattern.fail("String", "must not be empty");
      plan_.replaced.emplace_back(pattern.string("String"), part.string("content"));
    } else if (type == "ByteFallback") {
      if (is_fused_) part.fail("type", "ByteFallback must stand before Fuse");
      plan_.byte_fallback = true;
    } else if (type == "Fuse") {
      is_fused_ = true;
    } else if (type == "Strip") {
      read_strip(part);
    } else if (type == "Metaspace") {
      if (is_started_) part.fail("type", "Metaspace behind other decoders is not supported");
      const std::string mark = utf8(part.character("replacement"));
      const bool never = part.has("prepend_scheme") && part.string("prepend_scheme") == "never";
      if (!never && part.boolean("add_prefix_space", true)) plan_.mark_dropped = mark;
      plan_.replaced.emplace_back(mark, " ");
    } else {
      part.fail("type", base::cat("the decoder \"", type,
                                  "\" is not supported; known are ByteLevel, Replace, "
                                  "ByteFallback, Fuse, Strip, Metaspace and Sequence"));
    }
    is_started_ = true;
  }

  DecodePlan take() { return std::move(plan_); }

 private:
  void read_strip(const JsonPart& part) {
    const int64_t start = part.integer("start", 0), stop = part.integer("stop", 0);
    if (!is_fused_) part.fail("type", "Strip must stand behind Fuse");
    if (part.character("content") != ' ') part.fail("content", "must be a space; other characters are not supported");
    if (stop != 0) part.fail("stop", "must be 0; stripping the end of a text is not supported");
    if (start < 0 || start > 1000) part.fail("start", "must be 0 … 1000");
    plan_.spaces_dropped += static_cast<size_t>(start);
  }

  DecodePlan plan_;
  bool is_started_ = false, is_fused_ = false;
};

}  // namespace

std::string DecodePlan::bytes_of(std::string_view token, bool& is_byte) const {
  is_byte = false;
  if (byte_level) return spelled_bytes(token).value_or(std::string(token));
  std::string text(token);
  for (const auto& [from, to] : replaced) replace_all(text, from, to);
  if (const int byte = byte_fallback ? fallback_byte(text) : -1; byte >= 0) {
    is_byte = true;
    return std::string(1, static_cast<char>(byte));
  }
  return text;
}

DecodePlan read_decoder(const JsonPart& part) {
  if (part.is_null()) {
    DecodePlan plan;
    plan.join_spaces = true;
    return plan;
  }
  ChainReader reader;
  reader.read(part);
  return reader.take();
}

}  // namespace ponder::text
