#include "ponder/store/tensorboard.h"

#include <unistd.h>

#include <array>
#include <chrono>
#include <cstring>

#include "ponder/base/cat.h"

namespace ponder::store {
namespace {

constexpr std::array<uint32_t, 256> make_crc_table() {
  std::array<uint32_t, 256> table{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0x82F63B78u : 0);
    table[byte] = crc;
  }
  return table;
}
constexpr std::array<uint32_t, 256> kCrcTable = make_crc_table();

double unix_seconds() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

// Protobuf: a key is field·8 + wire type (0 varint, 1 eight bytes, 2 length and bytes, 5 four bytes).
enum Wire : uint64_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

void put_varint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}
void put_key(std::string& out, uint64_t field, Wire wire) { put_varint(out, field << 3 | wire); }
template <class T>
void put_raw(std::string& out, T value) {
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);
  out.append(bytes, sizeof value);
}
void put_bytes(std::string& out, uint64_t field, std::string_view bytes) {
  put_key(out, field, kBytes);
  put_varint(out, bytes.size());
  out += bytes;
}

// Event {1: double wall_time, 2: int64 step, 3: string file_version, 5: Summary, 7: SessionLog}
std::string step_field(int64_t step) {
  std::string out;
  put_key(out, 2, kVarint);
  put_varint(out, static_cast<uint64_t>(step));
  return out;
}

// TensorBoard reads the files of a directory in the order of their names: time first, to the microsecond.
std::string event_file_name() {
  char host[256] = {};
  ::gethostname(host, sizeof host - 1);
  return base::cat("events.out.tfevents.", base::fixed(unix_seconds(), 6), ".", host, ".", ::getpid());
}

std::string in_new_directory(const std::string& dir) {
  base::make_directories(dir);
  return base::join_path(dir, event_file_name());
}

}  // namespace

uint32_t crc32c(std::string_view bytes) {
  uint32_t crc = ~0u;
  for (char c : bytes) crc = crc >> 8 ^ kCrcTable[(crc ^ static_cast<unsigned char>(c)) & 0xFF];
  return ~crc;
}

uint32_t masked_crc32c(std::string_view bytes) {
  const uint32_t crc = crc32c(bytes);
  return (crc >> 15 | crc << 17) + 0xA282EAD8u;
}

TensorBoardWriter::TensorBoardWriter(const std::string& dir, int64_t first_step)
    : path_(in_new_directory(dir)), file_(path_) {
  std::string version;
  put_bytes(version, 3, "brain.Event:2");
  event(version);
  std::string start;  // SessionLog {1: status}, START = 1
  put_key(start, 1, kVarint);
  put_varint(start, 1);
  std::string session = step_field(first_step);
  put_bytes(session, 7, start);
  event(session);
}

void TensorBoardWriter::scalars(int64_t step, const std::vector<std::pair<std::string, double>>& values) {
  std::string summary;  // Summary {repeated 1: Value {1: tag, 2: float simple_value}}
  for (const auto& [tag, number] : values) {
    std::string value;
    put_bytes(value, 1, tag);
    put_key(value, 2, kFixed32);
    put_raw(value, static_cast<float>(number));
    put_bytes(summary, 1, value);
  }
  std::string fields = step_field(step);
  put_bytes(fields, 5, summary);
  event(fields);
}

void TensorBoardWriter::event(const std::string& fields) {
  std::string data;
  put_key(data, 1, kFixed64);
  put_raw(data, unix_seconds());
  data += fields;
  // TFRecord: uint64 length, masked crc of the length, data, masked crc of the data.
  std::string record;
  put_raw(record, uint64_t{data.size()});
  put_raw(record, masked_crc32c(record));
  record += data;
  put_raw(record, masked_crc32c(data));
  file_.write(record);
  file_.flush();
}

}  // namespace ponder::store
