#include "ponder/store/metrics.h"

#include <cmath>
#include <cstring>
#include <optional>

#include "ponder/base/error.h"
#include "ponder/store/test_dir.h"

namespace ponder::store {
namespace {

template <class T>
T raw(std::string_view bytes, size_t at) {
  T value;
  EXPECT_LE(at + sizeof value, bytes.size());
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

// One field of a protobuf message: numbers as bits, everything else as bytes.
struct ProtoField {
  uint64_t number = 0, bits = 0;
  std::string bytes;
};

std::vector<ProtoField> decode(std::string_view message) {
  std::vector<ProtoField> fields;
  size_t at = 0;
  const auto varint = [&] {
    uint64_t value = 0;
    for (int shift = 0;; shift += 7) {
      const auto byte = static_cast<unsigned char>(message.at(at++));
      value |= uint64_t{byte & 0x7Fu} << shift;
      if (byte < 0x80) return value;
    }
  };
  while (at < message.size()) {
    const uint64_t key = varint();
    ProtoField field{key >> 3, 0, ""};
    switch (key & 7) {
      case 0:
        field.bits = varint();
        break;
      case 1:
        field.bits = raw<uint64_t>(message, at), at += 8;
        break;
      case 2: {
        const uint64_t length = varint();
        field.bytes = std::string(message.substr(at, length));
        at += length;
        break;
      }
      case 5:
        field.bits = raw<uint32_t>(message, at), at += 4;
        break;
      default:
        ADD_FAILURE() << "wire type " << (key & 7);
    }
    fields.push_back(field);
  }
  return fields;
}

std::vector<std::vector<ProtoField>> read_events(const std::string& path) {
  const std::string file = base::read_file(path);
  std::vector<std::vector<ProtoField>> events;
  for (size_t at = 0; at < file.size();) {
    const auto length = raw<uint64_t>(file, at);
    EXPECT_EQ(raw<uint32_t>(file, at + 8), masked_crc32c(std::string_view(file).substr(at, 8)));
    const std::string_view data = std::string_view(file).substr(at + 12, length);
    EXPECT_EQ(raw<uint32_t>(file, at + 12 + length), masked_crc32c(data));
    events.push_back(decode(data));
    at += 16 + length;
  }
  return events;
}

std::string the_only_file(const std::string& dir) {
  const auto names = base::list_directory(dir);
  EXPECT_EQ(names.size(), 1u);
  return base::join_path(dir, names.at(0));
}

using MetricsTest = TestDir;

TEST(Crc32c, KnownAnswers) {
  EXPECT_EQ(crc32c(""), 0u);
  EXPECT_EQ(crc32c("123456789"), 0xE3069283u);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAu);  // RFC 3720, B.4
  EXPECT_EQ(crc32c(std::string(32, '\xFF')), 0x62A8AB43u);
}

TEST_F(MetricsTest, EventsReadBack) {
  TensorBoardWriter writer(dir(), 300);
  writer.scalars(300, {{"reward", 0.25}, {"loss", -1e30}});
  writer.scalars(-1, {{"x", NAN}});
  const auto events = read_events(writer.path());
  ASSERT_EQ(events.size(), 4u);
  for (const auto& event : events) {
    EXPECT_EQ(event.at(0).number, 1u);  // wall time
    double seconds;
    std::memcpy(&seconds, &event[0].bits, sizeof seconds);
    EXPECT_GT(seconds, 1.7e9);
  }
  EXPECT_EQ(events[0].at(1).number, 3u);
  EXPECT_EQ(events[0].at(1).bytes, "brain.Event:2");
  EXPECT_EQ(events[1].at(1).bits, 300u);
  EXPECT_EQ(events[1].at(2).number, 7u);
  EXPECT_EQ(decode(events[1].at(2).bytes).at(0).bits, 1u);  // SessionLog.START

  EXPECT_EQ(events[2].at(1).number, 2u);
  EXPECT_EQ(events[2].at(1).bits, 300u);
  EXPECT_EQ(events[2].at(2).number, 5u);
  const auto values = decode(events[2].at(2).bytes);
  ASSERT_EQ(values.size(), 2u);
  const auto reward = decode(values[0].bytes), loss = decode(values[1].bytes);
  EXPECT_EQ(reward.at(0).bytes, "reward");
  EXPECT_EQ(raw<float>(std::string_view(reinterpret_cast<const char*>(&reward.at(1).bits), 8), 0), 0.25f);
  EXPECT_EQ(loss.at(0).bytes, "loss");
  EXPECT_EQ(raw<float>(std::string_view(reinterpret_cast<const char*>(&loss.at(1).bits), 8), 0), -1e30f);
  EXPECT_EQ(static_cast<int64_t>(events[3].at(1).bits), -1);
}

base::Json row(const std::string& stage, int64_t step, double value) {
  base::Json json = base::Json::object();
  json["stage"] = stage, json["step"] = step, json["value"] = value;
  return json;
}

TEST_F(MetricsTest, RowsAndEventsSayTheSame) {
  {
    Metrics metrics(dir());
    metrics.add(row("sft", 1, 2.5), {{"loss", 2.5}, {"lr", 3}});
    metrics.add(row("rl", 1, 0.5), {{"reward", 0.5}});
    metrics.add(row("rl", 2, NAN), {{"reward", NAN}});
    metrics.add(row("search", 3, 1), {});
    metrics.sync();
    EXPECT_THROW(metrics.add(base::Json::object(), {{"reward", 1}}), Error);
  }
  EXPECT_EQ(base::read_file(path("metrics.jsonl")),
            "{\"stage\":\"sft\",\"step\":1,\"value\":2.5}\n{\"stage\":\"rl\",\"step\":1,\"value\":0.5}\n"
            "{\"stage\":\"rl\",\"step\":2,\"value\":null}\n{\"stage\":\"search\",\"step\":3,\"value\":1.0}\n");
  const auto sft = read_events(the_only_file(path("tensorboard/sft")));
  ASSERT_EQ(sft.size(), 3u);
  EXPECT_EQ(decode(sft[2].at(2).bytes).size(), 2u);
  EXPECT_EQ(read_events(the_only_file(path("tensorboard/rl"))).size(), 4u);
  EXPECT_FALSE(base::is_directory(path("tensorboard/search")));  // rows without a curve make no events
}

// Both ways of going back: another process, and the same one.
TEST_F(MetricsTest, WhatIsTakenBackIsTakenBackFromTheEventsToo) {
  for (const bool same_process : {false, true}) {
    base::remove_all(dir());
    base::make_directories(dir());
    auto metrics = std::make_optional<Metrics>(dir());
    for (int step = 1; step <= 5; ++step) metrics->add(row("rl", step, step), {{"reward", step * 0.1}});
    if (!same_process) metrics.emplace(dir());
    metrics->rewind("rl", 3);
    metrics->add(row("rl", 4, 9), {{"reward", 9}});
    EXPECT_EQ(base::read_file(path("metrics.jsonl")).find("\"step\":5"), std::string::npos);
    const auto names = base::list_directory(path("tensorboard/rl"));
    ASSERT_EQ(names.size(), 2u);
    const auto resumed = read_events(base::join_path(path("tensorboard/rl"), names[1]));
    ASSERT_EQ(resumed.size(), 3u);
    EXPECT_EQ(resumed[1].at(1).bits, 4u);  // START at step 4: what earlier files hold from there on is void
  }
}

}  // namespace
}  // namespace ponder::store
