#include "ponder/text/added_tokens.h"

#include <algorithm>

#include "ponder/text/unicode.h"

namespace ponder::text {
namespace {

size_t spaces_begin(std::string_view text, size_t end) {
  while (end > 0) {
    const CodePoint c = code_point_before(text, end);
    if (!is_white_space(c.value)) break;
    end -= c.length;
  }
  return end;
}

size_t spaces_end(std::string_view text, size_t at) {
  while (at < text.size()) {
    const CodePoint c = code_point_at(text, at);
    if (!is_white_space(c.value)) break;
    at += c.length;
  }
  return at;
}

}  // namespace

void AddedTokenFinder::add(const AddedToken& token, std::string_view pattern) {
  if (pattern.empty()) return;
  if (nodes_.empty()) nodes_.emplace_back();
  uint32_t at = 0;
  for (const char c : pattern) {
    const auto byte = static_cast<unsigned char>(c);
    auto& children = nodes_[at].children;
    const auto place = std::lower_bound(children.begin(), children.end(), std::pair(byte, uint32_t{0}));
    if (place != children.end() && place->first == byte) {
      at = place->second;
      continue;
    }
    const auto made = static_cast<uint32_t>(nodes_.size());
    children.insert(place, {byte, made});
    nodes_.emplace_back();
    at = made;
  }
  nodes_[at].token = static_cast<int32_t>(tokens_.size());
  tokens_.push_back(token);
  const auto first = static_cast<unsigned char>(pattern[0]);
  if (pattern.size() == 1)
    single_[first] = true;
  else
    starts_[first][static_cast<unsigned char>(pattern[1])] = true;
}

const AddedTokenFinder::Node* AddedTokenFinder::child(const Node& node, unsigned char byte) const {
  const auto place = std::lower_bound(node.children.begin(), node.children.end(), std::pair(byte, uint32_t{0}));
  return place != node.children.end() && place->first == byte ? &nodes_[place->second] : nullptr;
}

int32_t AddedTokenFinder::longest_at(std::string_view text, size_t at, size_t& length) const {
  const auto byte_at = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const bool may_start = single_[byte_at(at)] || (at + 1 < text.size() && starts_[byte_at(at)][byte_at(at + 1)]);
  if (!may_start) return -1;
  int32_t found = -1;
  const Node* node = &nodes_[0];
  for (size_t i = at; i < text.size(); ++i) {
    node = child(*node, byte_at(i));
    if (!node) break;
    if (node->token >= 0) found = node->token, length = i + 1 - at;
  }
  return found;
}

void AddedTokenFinder::cut(const Piece& piece, bool skip_special, std::vector<Piece>& out) const {
  const std::string_view text = piece.text;
  size_t done = 0;
  for (size_t at = 0; !tokens_.empty() && at < text.size();) {
    size_t length = 0;
    const int32_t found = longest_at(text, at, length);
    if (found < 0) {
      ++at;
      continue;
    }
    const AddedToken& token = tokens_[static_cast<size_t>(found)];
    size_t begin = at, end = at + length;
    at = end;
    if (skip_special && token.special) continue;
    if (token.single_word) {
      const bool starts = begin == 0 || !is_word(code_point_before(text, begin).value);
      const bool ends = end == text.size() || !is_word(code_point_at(text, end).value);
      if (!starts || !ends) continue;
    }
    if (token.lstrip) begin = std::max(spaces_begin(text, begin), done);
    if (token.rstrip) end = spaces_end(text, end);
    if (done < begin) out.push_back(piece.cut(done, begin));
    out.push_back(piece.cut(begin, end));
    out.back().token = token.id;
    done = end;
  }
  if (done < text.size()) out.push_back(piece.cut(done, text.size()));
}

}  // namespace ponder::text
