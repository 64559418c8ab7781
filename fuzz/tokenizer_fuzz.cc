// A tokenizer.json of any bytes is an Error or a tokenizer that keeps its promises on any text. The input is the file,
// a zero byte, and a text.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "ponder/base/error.h"
#include "ponder/text/tokenizer_json.h"
#include "ponder/text/unicode.h"

using namespace ponder::text;

namespace {

void require(bool holds) {
  if (!holds) __builtin_trap();
}

void use(const Tokenizer& tokenizer, std::string_view text, const EncodeOptions& options) {
  const Encoding encoding = tokenizer.encode_with_ranges(text, options);
  require(encoding.ids == tokenizer.encode(text, options));
  require(encoding.ids.size() == encoding.ranges.size());
  for (const ByteRange& range : encoding.ranges) require(range.begin <= range.end && range.end <= text.size());
  for (const ponder::core::Token id : encoding.ids) require(tokenizer.has(id));
  for (const bool skip : {false, true}) {
    StreamDecoder stream(tokenizer, skip);
    std::string all;
    for (const ponder::core::Token id : encoding.ids) all += stream.push(id);
    all += stream.finish();
    require(all == replace_invalid_utf8(tokenizer.decode(encoding.ids, skip)));
    const std::string shown = tokenizer.decode_text(encoding.ids, skip);
    require(valid_utf8_prefix(shown) == shown.size());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t zero = std::min(input.find('\0'), size);
  const std::string_view text = zero < size ? input.substr(zero + 1) : "a b\n  1";
  try {
    const auto tokenizer = read_tokenizer_json(input.substr(0, zero), "input");
    for (const bool special : {false, true}) {
      try {
        use(*tokenizer, text, {special, special});
      } catch (const ponder::Error& e) {  // an unknown character without an unknown token, a pattern without bound
        require(e.code() == ponder::ErrorCode::kInput);
      }
    }
  } catch (const ponder::Error& e) {
    require(e.code() == ponder::ErrorCode::kInput);
  }
  return 0;
}
