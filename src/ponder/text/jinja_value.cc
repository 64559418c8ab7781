#include "ponder/text/jinja_value.h"

#include <algorithm>
#include <cstring>

namespace ponder::text::jinja {

void Arena::out_of_memory() const { refuse("the template needs more than ", limit_ >> 20, " MiB of memory"); }

void* Arena::allocate(size_t bytes) {
  constexpr size_t kChunk = 64 << 10;
  if (bytes > left_) out_of_memory();
  bytes = (bytes + 7) / 8 * 8;
  left_ -= std::min(bytes, left_);
  if (bytes > chunk_left_) {
    const size_t size = std::max(bytes, kChunk);
    chunks_.emplace_back(new char[size]);
    if (size - bytes < chunk_left_) return chunks_.back().get();  // a large block of its own
    next_ = chunks_.back().get();
    chunk_left_ = size;
  }
  void* block = next_;
  next_ += bytes;
  chunk_left_ -= bytes;
  return block;
}

std::string_view Arena::copy(std::string_view bytes) {
  if (bytes.empty()) return {};
  char* data = static_cast<char*>(allocate(bytes.size()));
  std::memcpy(data, bytes.data(), bytes.size());
  return {data, bytes.size()};
}

void TextBuilder::append(std::string_view bytes, uint8_t marks) {
  if (bytes.empty()) return;
  arena_.spend(bytes.size());
  bytes_ += bytes;
  const auto end = static_cast<uint32_t>(bytes_.size());
  if (!spans_.empty() && spans_.back().marks == marks) {
    spans_.back().end = end;
  } else {
    spans_.push_back({end, marks});
  }
}

void TextBuilder::append_slice(const Text& text, size_t begin, size_t end, uint8_t extra_marks) {
  if (text.span_count == 0) return append(text.view().substr(begin, end - begin), text.marks | extra_marks);
  const Span* span = std::upper_bound(text.spans, text.spans + text.span_count, begin,
                                      [](size_t byte, const Span& s) { return byte < s.end; });
  while (begin < end) {
    const size_t stop = std::min<size_t>(end, span->end);
    append(text.view().substr(begin, stop - begin), span->marks | extra_marks);
    begin = stop;
    ++span;
  }
}

void TextBuilder::truncate(size_t size) {
  bytes_.resize(std::min(size, bytes_.size()));
  while (!spans_.empty() && (spans_.size() > 1 ? spans_[spans_.size() - 2].end : 0) >= bytes_.size()) spans_.pop_back();
  if (!spans_.empty()) spans_.back().end = static_cast<uint32_t>(bytes_.size());
}

const Text* TextBuilder::finish() const {
  const std::string_view data = arena_.copy(bytes_);
  Text* text = arena_.make<Text>();
  text->data = data.data();
  text->size = static_cast<uint32_t>(data.size());
  if (spans_.size() == 1) {
    text->marks = spans_[0].marks;
  } else if (spans_.size() > 1) {
    Span* spans = arena_.array<Span>(spans_.size());
    std::copy(spans_.begin(), spans_.end(), spans);
    text->spans = spans;
    text->span_count = static_cast<uint32_t>(spans_.size());
  }
  return text;
}

uint8_t marks_at(const Text& text, size_t byte) {
  if (text.span_count == 0) return text.marks;
  const Span* end = text.spans + text.span_count;
  const Span* span = std::upper_bound(text.spans, end, byte, [](size_t b, const Span& s) { return b < s.end; });
  return span == end ? 0 : span->marks;
}

const Text* slice_text(Arena& arena, const Text& text, size_t begin, size_t end) {
  if (begin == 0 && end == text.size) return &text;
  Text* out = arena.make<Text>(text);
  out->data = text.data + begin;
  out->size = static_cast<uint32_t>(end - begin);
  if (text.span_count == 0) return out;
  out->spans = nullptr;
  out->span_count = 0;
  out->marks = 0;
  std::vector<Span> spans;
  for (size_t i = 0; i < text.span_count && begin < end; ++i) {
    const size_t stop = text.spans[i].end;
    if (stop <= begin) continue;
    spans.push_back({static_cast<uint32_t>(std::min(stop, end) - begin), text.spans[i].marks});
    if (stop >= end) break;
  }
  if (spans.size() == 1) out->marks = spans[0].marks;
  if (spans.size() <= 1) return out;
  Span* kept = arena.array<Span>(spans.size());
  std::copy(spans.begin(), spans.end(), kept);
  out->spans = kept;
  out->span_count = static_cast<uint32_t>(spans.size());
  return out;
}

uint8_t blended_marks(const Text& text) {
  uint8_t marks = text.span_count == 0 ? text.marks : 0;
  for (size_t i = 0; i < text.span_count; ++i) marks |= text.spans[i].marks;
  return marks;
}

}  // namespace ponder::text::jinja
