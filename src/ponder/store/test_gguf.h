// GGUF files made by hand for tests, right or wrong on purpose, without the writer that they test.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ponder::store {

template <class T>
std::string raw(T value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof value);
}
inline std::string raw_string(std::string_view text) { return raw(uint64_t{text.size()}).append(text); }
// Types are numbers here, so that a test can name one that does not exist.
inline std::string raw_pair(std::string_view key, uint32_t type, std::string_view value) {
  return raw_string(key).append(raw(type)).append(value);
}
inline std::string raw_list(std::string_view key, uint32_t item, uint64_t count, std::string_view items) {
  return raw_pair(key, 9, raw(item).append(raw(count)).append(items));
}
inline std::string raw_tensor(std::string_view name, const std::vector<uint64_t>& innermost_first, uint32_t type,
                              uint64_t offset) {
  std::string out = raw_string(name).append(raw(static_cast<uint32_t>(innermost_first.size())));
  for (uint64_t n : innermost_first) out += raw(n);
  return out.append(raw(type)).append(raw(offset));
}

struct RawGguf {
  std::string magic = "GGUF";
  uint32_t version = 3;
  std::vector<std::string> pairs, tensors;
  int64_t more_pairs = 0, more_tensors = 0;  // the header's counts are off by so much
  size_t alignment = 32;
  std::string data;

  std::string table() const {
    std::string out = magic + raw(version) + raw(tensors.size() + static_cast<uint64_t>(more_tensors)) +
                      raw(pairs.size() + static_cast<uint64_t>(more_pairs));
    for (const std::string& pair : pairs) out += pair;
    for (const std::string& tensor : tensors) out += tensor;
    return out;
  }
  std::string bytes() const {
    std::string out = table();
    out.resize((out.size() + alignment - 1) / alignment * alignment);
    return out + data;
  }
};

// A small file of which everything is right: one value of every type, four tensors.
inline RawGguf right_gguf() {
  RawGguf file;
  file.pairs = {
      raw_pair("general.architecture", 8, raw_string("tiny")),
      raw_pair("a.u8", 0, raw(uint8_t{200})),
      raw_pair("a.i8", 1, raw(int8_t{-100})),
      raw_pair("a.u16", 2, raw(uint16_t{60000})),
      raw_pair("a.i16", 3, raw(int16_t{-30000})),
      raw_pair("a.u32", 4, raw(uint32_t{4000000000})),
      raw_pair("a.i32", 5, raw(int32_t{-2000000000})),
      raw_pair("a.f32", 6, raw(0.5f)),
      raw_pair("a.bool", 7, raw(uint8_t{1})),
      raw_pair("a.u64", 10, raw(uint64_t{1} << 63)),
      raw_pair("a.i64", 11, raw(INT64_MIN)),
      raw_pair("a.f64", 12, raw(0.1)),
      raw_list("tokens", 8, 3, raw_string("<s>") + raw_string("") + raw_string("it")),
      raw_list("scores", 6, 2, raw(-1.0f) + raw(2.5f)),
      raw_list("types", 5, 2, raw(int32_t{3}) + raw(int32_t{-1})),
      raw_list("flags", 7, 2, std::string("\1\0", 2)),
      raw_list("none", 8, 0, ""),
      raw_list("lists", 9, 2,
               raw(uint32_t{4}) + raw(uint64_t{1}) + raw(uint32_t{7}) + raw(uint32_t{8}) + raw(uint64_t{0})),
  };
  file.tensors = {
      raw_tensor("w", {3, 2}, 0, 0),
      raw_tensor("q", {32, 2}, 8, 32),
      raw_tensor("h", {5}, 1, 128),
      raw_tensor("k", {256}, 12, 160),
  };
  const float w[6] = {0, 1, 2, 3, 4, 5};
  file.data = std::string(reinterpret_cast<const char*>(w), sizeof w);
  file.data.resize(32);
  file.data += (raw(uint16_t{0x3C00}) + std::string(32, '\2')) + (raw(uint16_t{0xC000}) + std::string(32, '\xFF'));
  file.data.resize(128);
  for (int i = 0; i < 5; ++i) file.data += raw(uint16_t{0x3C00});
  file.data.resize(160);
  file.data.append(144, '\0');
  return file;
}

}  // namespace ponder::store
