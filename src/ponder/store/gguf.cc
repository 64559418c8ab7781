#include "ponder/store/gguf.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <unordered_set>

#include "ponder/base/error.h"
#include "ponder/base/json.h"

namespace ponder::store {
namespace {

static_assert(std::endian::native == std::endian::little, "GGUF files are read as they lie in memory");
constexpr uint32_t kLastType = static_cast<uint32_t>(GgufType::kF64);
constexpr uint64_t kLengthBytes = 8;       // in front of a string
constexpr uint64_t kListHeaderBytes = 12;  // type and count

// Bytes of a value of a fixed size; 0 for strings and lists.
uint64_t scalar_bytes(GgufType type) {
  switch (type) {
    case GgufType::kU8:
    case GgufType::kI8:
    case GgufType::kBool:
      return 1;
    case GgufType::kU16:
    case GgufType::kI16:
      return 2;
    case GgufType::kU32:
    case GgufType::kI32:
    case GgufType::kF32:
      return 4;
    case GgufType::kU64:
    case GgufType::kI64:
    case GgufType::kF64:
      return 8;
    case GgufType::kString:
    case GgufType::kList:
      break;
  }
  return 0;
}

// The fewest bytes that a value can take, by which a count of them is judged before it is believed.
uint64_t least_bytes(GgufType type) {
  if (type == GgufType::kString) return kLengthBytes;
  if (type == GgufType::kList) return kListHeaderBytes;
  return scalar_bytes(type);
}

template <class T>
T number_of(std::string_view bytes) {
  T value;
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

std::string quoted(std::string_view text) {
  constexpr size_t kShown = 80;
  return base::Json(text.substr(0, kShown)).dump() + (text.size() > kShown ? "…" : "");
}

// Reads a table of contents front to back. Nothing is used as a size before it was compared with what is left.
class TableReader {
 public:
  TableReader(std::string_view file, const std::string& where) : left_(file), file_(file), where_(where) {}

  GgufLayout read() {
    GgufLayout layout(where_);
    layout.version = read_version();
    const uint64_t tensors = count("tensors", kMaxGgufTensors);
    const uint64_t keys = count("keys", kMaxGgufKeys);
    for (uint64_t i = 0; i < keys; ++i) read_pair(layout.metadata, i);
    layout.alignment = alignment_of(layout.metadata);
    for (uint64_t i = 0; i < tensors; ++i) layout.tensors.push_back(read_tensor(i));
    layout.data = data(layout);
    check_places(layout);
    return layout;
  }

 private:
  uint32_t read_version() {
    if (file_.size() < 4 || file_.substr(0, 4) != "GGUF")
      fail(base::cat("does not start with \"GGUF\" (", file_.size(), " bytes); it is no GGUF file"));
    left_.remove_prefix(4);
    what_ = "the header";
    const auto version = number<uint32_t>();
    if ((version & 0xFFFF) == 0 && version != 0)
      fail("is big-endian; only little-endian files are read. gguf-py's gguf_convert_endian turns it round");
    if (version == 1) fail("is of GGUF version 1, which nothing writes any more; versions 2 and 3 are read");
    if (version != 2 && version != 3) fail(base::cat("claims GGUF version ", version, "; versions 2 and 3 are read"));
    return version;
  }

  uint64_t count(const char* of_what, uint64_t limit) {
    what_ = "the header";
    const auto n = number<uint64_t>();
    if (n > limit) fail(base::cat("claims ", n, " ", of_what, "; at most ", limit, " are read"));
    return n;
  }

  void read_pair(GgufMetadata& metadata, uint64_t i) {
    what_ = "key";
    number_ = i;
    name_ = {};
    name_ = string();
    if (name_.empty()) fail_here("has no name");
    if (name_.size() > kMaxGgufKeyBytes) fail_here(base::cat("is longer than ", kMaxGgufKeyBytes, " bytes"));
    GgufValue value;
    value.type = type();
    if (value.type == GgufType::kList) {
      value.item = type();
      value.count = number<uint64_t>();
      const char* begin = left_.data();
      skip_items(value.item, value.count, 1);
      value.bytes = {begin, static_cast<size_t>(left_.data() - begin)};
    } else if (value.type == GgufType::kString) {
      value.bytes = string();
    } else {
      value.bytes = bytes(scalar_bytes(value.type));
      check_bools(value.type, value.bytes);
    }
    if (!metadata.add(name_, value)) fail_here("stands twice");
  }

  void skip_items(GgufType item, uint64_t count, int depth) {
    const uint64_t least = least_bytes(item);
    if (count > left_.size() / least)
      fail_here(base::cat("claims a list of ", count, " x ", gguf_type_name(item), ", but ", left_.size(),
                          " bytes are left; the file is cut off or damaged"));
    if (item == GgufType::kString) {
      for (uint64_t i = 0; i < count; ++i) string();
    } else if (item == GgufType::kList) {
      if (depth == kMaxGgufListDepth) fail_here(base::cat("has lists nested deeper than ", kMaxGgufListDepth));
      for (uint64_t i = 0; i < count; ++i) {
        const GgufType inner = type();
        const auto inner_count = number<uint64_t>();
        skip_items(inner, inner_count, depth + 1);
      }
    } else {
      check_bools(item, bytes(count * least));
    }
  }

  void check_bools(GgufType type, std::string_view values) {
    if (type != GgufType::kBool) return;
    for (char c : values)
      if (c != 0 && c != 1)
        fail_here(base::cat("holds a bool of ", int{static_cast<unsigned char>(c)}, ", not 0 or 1"));
  }

  uint64_t alignment_of(const GgufMetadata& metadata) {
    constexpr std::string_view kKey = "general.alignment";
    const GgufValue* value = metadata.find(kKey);
    if (!value) return 32;
    if (value->type != GgufType::kU32)
      fail(base::cat("key \"", kKey, "\" must be of type u32, found ", gguf_type_name(value->type)));
    const uint64_t alignment = number_of<uint32_t>(value->bytes);
    if (!std::has_single_bit(alignment) || alignment > kMaxGgufAlignment)
      fail(base::cat("key \"", kKey, "\" is ", alignment, "; it must be a power of two up to ", kMaxGgufAlignment));
    return alignment;
  }

  GgufTensor read_tensor(uint64_t i) {
    what_ = "tensor";
    number_ = i;
    name_ = {};
    name_ = string();
    if (name_.empty()) fail_here("has no name");
    if (name_.size() > kMaxGgufNameBytes)
      fail_here(base::cat("has a name of ", name_.size(), " bytes; at most ", kMaxGgufNameBytes, " are read"));
    if (!names_.insert(name_).second) fail_here("stands twice");
    GgufTensor tensor;
    tensor.name = name_;
    tensor.shape = shape();
    const auto type = number<uint32_t>();
    tensor.type = find_ggml_type(type);
    if (!tensor.type) fail_here(base::cat("has the unknown type ", type));
    const auto offset = number<uint64_t>();
    if (offset > INT64_MAX) fail_here(base::cat("starts at the impossible byte ", offset, " of the data"));
    tensor.offset = static_cast<int64_t>(offset);
    measure(tensor);
    return tensor;
  }

  std::vector<int64_t> shape() {
    const auto dims = number<uint32_t>();
    if (dims == 0 || dims > kMaxGgufDims)
      fail_here(base::cat("has ", dims, " dimensions; 1 to ", kMaxGgufDims, " are possible"));
    std::vector<int64_t> shape(dims);
    for (uint32_t d = dims; d-- > 0;) {
      const auto n = number<uint64_t>();
      if (n == 0 || n > INT64_MAX) fail_here(base::cat("has an impossible dimension of ", static_cast<int64_t>(n)));
      shape[d] = static_cast<int64_t>(n);
    }
    return shape;
  }

  void measure(GgufTensor& tensor) {
    const GgmlTypeInfo& type = *tensor.type;
    tensor.weights = 1;
    for (int64_t n : tensor.shape)
      if (__builtin_mul_overflow(tensor.weights, n, &tensor.weights))
        fail_here(base::cat("has more weights than can be counted, shape ", base::Json::list(tensor.shape).dump()));
    if (tensor.shape.back() % type.block_weights != 0)
      fail_here(base::cat("has rows of ", tensor.shape.back(), " weights, but ", type.name, " comes in blocks of ",
                          type.block_weights));
    if (__builtin_mul_overflow(tensor.weights / type.block_weights, type.block_bytes, &tensor.bytes))
      fail_here(base::cat("takes more bytes than can be counted, shape ", base::Json::list(tensor.shape).dump()));
  }

  // The data starts aligned behind the table; a file without tensors may end with the table.
  std::string_view data(const GgufLayout& layout) {
    const uint64_t end = file_.size() - left_.size(), rest = end % layout.alignment;
    const uint64_t padding = rest == 0 ? 0 : layout.alignment - rest;
    return left_.substr(std::min<uint64_t>(padding, left_.size()));
  }

  // Every tensor lies inside the data, aligned, and shares no byte with another.
  void check_places(const GgufLayout& layout) {
    std::vector<const GgufTensor*> order;
    for (const GgufTensor& tensor : layout.tensors) order.push_back(&tensor);
    std::stable_sort(order.begin(), order.end(),
                     [](const GgufTensor* a, const GgufTensor* b) { return a->offset < b->offset; });
    const auto size = static_cast<int64_t>(layout.data.size());
    int64_t end = 0;
    const GgufTensor* before = nullptr;
    for (const GgufTensor* tensor : order) {
      const auto fail_tensor = [&](const std::string& message) {
        fail(base::cat("tensor ", quoted(tensor->name), " ", message));
      };
      if (tensor->offset % static_cast<int64_t>(layout.alignment) != 0)
        fail_tensor(
            base::cat("starts at byte ", tensor->offset, " of the data, which is not aligned to ", layout.alignment));
      if (tensor->offset > size || tensor->bytes > size - tensor->offset)
        fail_tensor(base::cat("takes ", tensor->bytes, " bytes from byte ", tensor->offset, " of the data, which has ",
                              size, "; the file is cut off or damaged"));
      if (tensor->offset < end)
        fail_tensor(base::cat("starts at byte ", tensor->offset, " of the data and overlaps ", quoted(before->name),
                              ", which ends at ", end));
      end = tensor->offset + tensor->bytes;
      before = tensor;
    }
  }

  template <class T>
  T number() {
    return number_of<T>(bytes(sizeof(T)));
  }

  GgufType type() {
    const auto number = this->number<uint32_t>();
    if (number > kLastType) fail_here(base::cat("has a value of the unknown type ", number));
    return static_cast<GgufType>(number);
  }

  std::string_view string() {
    const auto length = number<uint64_t>();
    if (length > left_.size())
      fail_here(base::cat("claims a string of ", length, " bytes, but ", left_.size(),
                          " are left; the file is cut off or damaged"));
    return bytes(length);
  }

  std::string_view bytes(uint64_t n) {
    if (n > left_.size())
      fail_here(base::cat("needs ", n, " more bytes, but ", left_.size(), " are left; the file is cut off"));
    const std::string_view taken = left_.substr(0, n);
    left_.remove_prefix(n);
    return taken;
  }

  [[noreturn]] void fail(const std::string& message) const { throw Error(ErrorCode::kInput, message, where_); }
  [[noreturn]] void fail_here(const std::string& message) const {
    if (what_ == "the header") fail(base::cat(what_, " ", message));
    fail(base::cat(what_, " ", name_.empty() ? base::cat("number ", number_) : quoted(name_), " ", message));
  }

  std::string_view left_;
  const std::string_view file_;
  const std::string& where_;
  std::unordered_set<std::string_view> names_;  // of tensors
  // What is being read, for messages.
  std::string_view what_, name_;
  uint64_t number_ = 0;
};

}  // namespace

const char* gguf_type_name(GgufType type) {
  static constexpr const char* kNames[] = {"u8",   "i8",     "u16",  "i16", "u32", "i32", "f32",
                                           "bool", "string", "list", "u64", "i64", "f64"};
  return kNames[static_cast<uint32_t>(type)];
}

GgufLayout read_gguf_layout(std::string_view file, const std::string& where) { return TableReader(file, where).read(); }

bool GgufMetadata::add(std::string_view key, const GgufValue& value) {
  if (!index_.emplace(key, entries_.size()).second) return false;
  entries_.emplace_back(key, value);
  return true;
}

const GgufValue* GgufMetadata::find(std::string_view key) const {
  const auto found = index_.find(key);
  return found == index_.end() ? nullptr : &entries_[found->second].second;
}

const GgufValue& GgufMetadata::at(std::string_view key) const {
  if (const GgufValue* value = find(key)) return *value;
  fail(key, "is missing");
}

void GgufMetadata::fail(std::string_view key, const std::string& message) const {
  throw Error(ErrorCode::kInput, base::cat("key ", quoted(key), " ", message), where_);
}

void GgufMetadata::wrong_type(std::string_view key, const GgufValue& found, const char* wanted) const {
  std::string type = gguf_type_name(found.type);
  if (found.is_list()) type += base::cat(" of ", gguf_type_name(found.item));
  fail(key, base::cat("must be ", wanted, ", found ", type));
}

namespace {

// Integers of any width as i64; nothing when the type is another or a u64 is too large.
bool read_int(GgufType type, std::string_view bytes, int64_t& value) {
  switch (type) {
    case GgufType::kU8:
      value = number_of<uint8_t>(bytes);
      return true;
    case GgufType::kI8:
      value = number_of<int8_t>(bytes);
      return true;
    case GgufType::kU16:
      value = number_of<uint16_t>(bytes);
      return true;
    case GgufType::kI16:
      value = number_of<int16_t>(bytes);
      return true;
    case GgufType::kU32:
      value = number_of<uint32_t>(bytes);
      return true;
    case GgufType::kI32:
      value = number_of<int32_t>(bytes);
      return true;
    case GgufType::kU64:
    case GgufType::kI64:
      value = number_of<int64_t>(bytes);
      return type == GgufType::kI64 || value >= 0;
    default:
      return false;
  }
}

}  // namespace

bool GgufMetadata::bool_at(std::string_view key) const {
  const GgufValue& value = at(key);
  if (value.type != GgufType::kBool) wrong_type(key, value, "a bool");
  return value.bytes[0] != 0;
}

int64_t GgufMetadata::int_at(std::string_view key) const {
  const GgufValue& value = at(key);
  int64_t number;
  if (!read_int(value.type, value.bytes, number)) wrong_type(key, value, "an integer below 2^63");
  return number;
}

double GgufMetadata::double_at(std::string_view key) const {
  const GgufValue& value = at(key);
  int64_t whole;
  double number;
  if (value.type == GgufType::kF32) {
    number = number_of<float>(value.bytes);
  } else if (value.type == GgufType::kF64) {
    number = number_of<double>(value.bytes);
  } else if (read_int(value.type, value.bytes, whole)) {
    number = static_cast<double>(whole);
  } else {
    wrong_type(key, value, "a number");
  }
  if (!std::isfinite(number)) fail(key, "is NaN or infinite");
  return number;
}

std::string_view GgufMetadata::string_at(std::string_view key) const {
  const GgufValue& value = at(key);
  if (value.type != GgufType::kString) wrong_type(key, value, "a string");
  return value.bytes;
}

const GgufValue& GgufMetadata::list_at(std::string_view key, const char* wanted) const {
  const GgufValue& value = at(key);
  if (!value.is_list()) wrong_type(key, value, wanted);
  return value;
}

// The reader has walked over every list once: counts and lengths are known to fit.
std::vector<std::string_view> GgufMetadata::strings_at(std::string_view key) const {
  const GgufValue& value = list_at(key, "a list of strings");
  if (value.item != GgufType::kString) wrong_type(key, value, "a list of strings");
  std::vector<std::string_view> strings;
  strings.reserve(value.count);
  std::string_view left = value.bytes;
  for (uint64_t i = 0; i < value.count; ++i) {
    const auto length = number_of<uint64_t>(left);
    strings.push_back(left.substr(kLengthBytes, length));
    left.remove_prefix(kLengthBytes + length);
  }
  return strings;
}

std::vector<int64_t> GgufMetadata::ints_at(std::string_view key) const {
  const GgufValue& value = list_at(key, "a list of integers");
  const uint64_t bytes = scalar_bytes(value.item);
  std::vector<int64_t> numbers;
  if (bytes == 0) wrong_type(key, value, "a list of integers");
  numbers.resize(value.count);
  for (uint64_t i = 0; i < value.count; ++i)
    if (!read_int(value.item, value.bytes.substr(i * bytes, bytes), numbers[i]))
      wrong_type(key, value, "a list of integers below 2^63");
  return numbers;
}

std::vector<float> GgufMetadata::floats_at(std::string_view key) const {
  const GgufValue& value = list_at(key, "a list of f32");
  if (value.item != GgufType::kF32) wrong_type(key, value, "a list of f32");
  std::vector<float> numbers(value.count);
  if (value.count > 0) std::memcpy(numbers.data(), value.bytes.data(), value.bytes.size());
  return numbers;
}

std::vector<bool> GgufMetadata::bools_at(std::string_view key) const {
  const GgufValue& value = list_at(key, "a list of bools");
  if (value.item != GgufType::kBool) wrong_type(key, value, "a list of bools");
  std::vector<bool> bools;
  for (char c : value.bytes) bools.push_back(c != 0);
  return bools;
}

}  // namespace ponder::store
