// A Jinja template as tokens, with the white-space rules that chat templates are written for: trim_blocks and
// lstrip_blocks on, "-" and "+" beside a tag, one trailing newline dropped. Used by the parser.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ponder::text::jinja {

enum class TokenType : uint8_t {
  kData,
  kVariableBegin,
  kVariableEnd,
  kBlockBegin,
  kBlockEnd,
  kName,
  kString,
  kInteger,
  kFloat,
  kOperator,
  kEnd,
};

struct Token {
  TokenType type = TokenType::kEnd;
  std::string text;  // data, name, operator; a string with its escapes resolved
  int64_t integer = 0;
  double number = 0;
  uint32_t offset = 0;  // byte in the source
  bool is(TokenType t) const { return type == t; }
  bool is_name(std::string_view name) const { return type == TokenType::kName && text == name; }
  bool is_op(std::string_view op) const { return type == TokenType::kOperator && text == op; }
};

// A mistake in the template itself, at a byte of its source.
struct SyntaxError {
  std::string message;
  uint32_t offset = 0;
};

// Line ends become \n, and the last one is dropped. SyntaxError when it is not UTF-8.
std::string normalized_source(std::string_view source);
std::vector<Token> tokenize(std::string_view normalized_source);  // ends with kEnd
std::string describe(const Token& token);                         // for messages

}  // namespace ponder::text::jinja
