// Unicode as Python's str sees it: white space, case, what repr prints. Used by the jinja_*.cc files.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace ponder::text::jinja {

// Length of the well-formed UTF-8 sequence at byte i, 0 when there is none.
size_t utf8_length(std::string_view text, size_t i);
bool is_utf8(std::string_view text);
// The code point at byte i of well-formed text; *length is its number of bytes.
char32_t decode_utf8(std::string_view text, size_t i, size_t* length);
void append_utf8(std::string& out, char32_t c);
size_t count_code_points(std::string_view text);
// The byte where the code point with this index begins; text.size() behind the last.
size_t byte_of_code_point(std::string_view text, size_t index);
size_t previous_code_point(std::string_view text, size_t end);  // byte where the one before `end` begins

bool is_space(char32_t c);       // str.isspace
bool is_line_break(char32_t c);  // where str.splitlines splits
bool is_printable(char32_t c);   // str.isprintable
bool is_alpha(char32_t c);       // str.isalpha
bool is_decimal(char32_t c);     // str.isdecimal
bool is_digit(char32_t c);       // str.isdigit
bool is_numeric(char32_t c);     // str.isnumeric
bool is_upper_case(char32_t c);  // counts for str.isupper
bool is_lower_case(char32_t c);  // counts for str.islower
bool is_title_case(char32_t c);  // Lt
bool is_cased(char32_t c);       // starts a word's lower-case part in str.title
bool is_case_ignorable(char32_t c);
// Full mappings, up to three code points.
void append_upper(std::string& out, char32_t c);
void append_lower(std::string& out, char32_t c);  // without the rule of the final sigma
void append_title(std::string& out, char32_t c);

// Bytes [begin, end) without white space at the sides asked for.
void strip_spaces(std::string_view text, bool left, bool right, size_t* begin, size_t* end);

}  // namespace ponder::text::jinja
