// Tokens that are looked for in the text itself, before anything else happens to it: "<|im_end|>", runs of spaces.
// Used by BpeTokenizer.
#pragma once
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "ponder/text/piece.h"

namespace ponder::text {

struct AddedToken {
  std::string content;
  core::Token id = -1;
  bool single_word = false;             // only where no letters stand around it
  bool lstrip = false, rstrip = false;  // takes the white space around it along
  bool normalized = false;              // looked for in the normalized text
  bool special = false;
};

// Finds the leftmost, then longest of a set of strings.
class AddedTokenFinder {
 public:
  // The text of `tokens[i]` to look for is patterns[i]; empty ones are left out.
  void add(const AddedToken& token, std::string_view pattern);
  void finish();
  bool empty() const { return tokens_.empty(); }
  // Cuts a piece; skip_special: special tokens are text.
  void cut(const Piece& piece, bool skip_special, std::vector<Piece>& out) const;

 private:
  struct Node {
    std::vector<std::pair<unsigned char, uint32_t>> children;  // sorted by byte
    int32_t token = -1;                                        // of tokens_, which ends here
  };
  const Node* child(const Node& node, unsigned char byte) const;
  int32_t longest_at(std::string_view text, size_t at, size_t& length) const;

  std::vector<AddedToken> tokens_;
  std::vector<Node> nodes_;
  std::array<std::array<bool, 256>, 256> starts_{};  // by the first two bytes
  std::array<bool, 256> single_{};                   // tokens of one byte
};

}  // namespace ponder::text
