// Damaged and hostile GGUF files: each is a right one with one thing changed, and must be an Error(kInput) that names
// the file and the thing. Among them one for each class of hole that was found in other readers of the format: sizes
// that wrap around, negative numbers, lists taken for another type, alignment 0, dimensions of 0 that end in a
// division, lengths near 2^64, too many dimensions.
#include <sys/resource.h>
#include <sys/wait.h>

#include <functional>
#include <limits>

#include "ponder/base/error.h"
#include "ponder/base/rng.h"
#include "ponder/store/gguf.h"
#include "ponder/store/test_dir.h"
#include "ponder/store/test_gguf.h"

namespace ponder::store {
namespace {

constexpr uint64_t kHuge = std::numeric_limits<uint64_t>::max();

struct Case {
  std::string name;
  std::string bytes;
  std::string message;  // part of it
};

class Cases {
 public:
  // A right file, changed.
  void add(std::string name, const std::function<void(RawGguf&)>& change, std::string message) {
    RawGguf file = right_gguf();
    change(file);
    cases_.push_back({std::move(name), file.bytes(), std::move(message)});
  }
  // A right file with one more pair behind the others, and nothing behind that where it is cut.
  void add_pair(std::string name, std::string pair, std::string message) {
    add(
        std::move(name), [&](RawGguf& file) { file.pairs.push_back(std::move(pair)); }, std::move(message));
  }
  void add_cut_pair(std::string name, std::string pair, std::string message) {
    RawGguf file = right_gguf();
    file.more_pairs = 1;
    file.more_tensors = static_cast<int64_t>(file.tensors.size());
    file.tensors.clear();
    cases_.push_back({std::move(name), file.table() + pair, std::move(message)});
  }
  void add_tensor(std::string name, std::string tensor, std::string message) {
    add(
        std::move(name), [&](RawGguf& file) { file.tensors.push_back(std::move(tensor)); }, std::move(message));
  }
  void add_bytes(std::string name, std::string bytes, std::string message) {
    cases_.push_back({std::move(name), std::move(bytes), std::move(message)});
  }
  std::vector<Case> take() { return std::move(cases_); }

 private:
  std::vector<Case> cases_;
};

void add_headers(Cases& cases) {
  const std::string right = right_gguf().bytes();
  cases.add_bytes("empty file", "", "does not start with \"GGUF\" (0 bytes)");
  cases.add_bytes("three bytes", "GGU", "does not start with \"GGUF\"");
  cases.add_bytes("a zip file, as pickles are", "PK\3\4" + right, "it is no GGUF file");
  cases.add_bytes("a safetensors file", raw(uint64_t{2}) + "{}", "it is no GGUF file");
  cases.add(
      "old magic GGML", [](RawGguf& f) { f.magic = "lmgg"; }, "it is no GGUF file");
  cases.add(
      "old magic GGJT", [](RawGguf& f) { f.magic = "tjgg"; }, "it is no GGUF file");
  cases.add(
      "magic turned round", [](RawGguf& f) { f.magic = "FUGG"; }, "it is no GGUF file");
  cases.add_bytes("magic alone", "GGUF", "the header needs 4 more bytes, but 0 are left");
  cases.add_bytes("half a version", "GGUF\3", "the header needs 4 more bytes, but 1 are left");
  cases.add_bytes("no counts", right.substr(0, 8), "the header needs 8 more bytes");
  cases.add_bytes("one count", right.substr(0, 16), "the header needs 8 more bytes");
  cases.add_bytes("half a count", right.substr(0, 20), "the header needs 8 more bytes, but 4 are left");
  for (uint32_t version : {0u, 4u, 65535u, 0xFFFFFFFFu})
    cases.add(
        base::cat("version ", version), [&](RawGguf& f) { f.version = version; },
        base::cat("claims GGUF version ", version));
  cases.add(
      "version 1", [](RawGguf& f) { f.version = 1; }, "is of GGUF version 1");
  cases.add(
      "big-endian 3", [](RawGguf& f) { f.version = 3u << 24; }, "is big-endian");
  cases.add(
      "big-endian 2", [](RawGguf& f) { f.version = 2u << 24; }, "is big-endian");
  for (uint64_t n : {kHuge, kHuge >> 1, uint64_t{1} << 63, uint64_t{1} << 32, kMaxGgufTensors + 1})
    cases.add(
        base::cat(n, " tensors"), [&](RawGguf& f) { f.more_tensors = static_cast<int64_t>(n - 4); },
        base::cat("claims ", n, " tensors"));
  for (uint64_t n : {kHuge, uint64_t{1} << 61, uint64_t{1} << 32, kMaxGgufKeys + 1})
    cases.add(
        base::cat(n, " keys"), [&](RawGguf& f) { f.more_pairs = static_cast<int64_t>(n - 18); },
        base::cat("claims ", n, " keys"));
  cases.add(
      "one tensor more than there is", [](RawGguf& f) { f.more_tensors = 1; }, "tensor");
  cases.add(
      "all tensors that may be, without bytes", [](RawGguf& f) { f.more_tensors = kMaxGgufTensors - 4; }, "tensor");
  cases.add(
      "all keys that may be, without bytes", [](RawGguf& f) { f.more_pairs = kMaxGgufKeys - 18; }, "key");
  cases.add(
      "one key more than there is", [](RawGguf& f) { f.more_pairs = 1; }, "tensor");
  cases.add(
      "one key fewer than there is", [](RawGguf& f) { f.more_pairs = -1; }, "tensor \"lists\" has 9 dimensions");
}

void add_keys(Cases& cases) {
  for (uint64_t n : {kHuge, kHuge - 7, uint64_t{1} << 63, uint64_t{1} << 32})
    cases.add_pair(base::cat("key of ", n, " bytes"), raw(n) + "key",
                   base::cat("key number 18 claims a string of ", n));
  cases.add_pair("key without a name", raw_pair("", 0, "x"), "key number 18 has no name");
  cases.add_pair("key of 64 KiB", raw_pair(std::string(65536, 'k'), 0, "x"), "is longer than 65535 bytes");
  cases.add_pair("a key twice", raw_pair("a.u8", 0, "x"), "key \"a.u8\" stands twice");
  cases.add_pair("a key twice, of another type", raw_pair("general.architecture", 4, raw(1u)), "stands twice");
  cases.add_cut_pair("cut off before a key", "", "key number 18 needs 8 more bytes, but 0 are left");
  cases.add_cut_pair("cut off in a key's length", "1234567", "key number 18 needs 8 more bytes, but 7 are left");
  cases.add_cut_pair("cut off in a key", raw(uint64_t{4}) + "key", "claims a string of 4 bytes, but 3 are left");
  cases.add_cut_pair("cut off before a type", raw_string("key"), "key \"key\" needs 4 more bytes, but 0 are left");
  for (uint32_t type : {13u, 14u, 255u, 0x80000000u, 0xFFFFFFFFu})
    cases.add_pair(base::cat("value of type ", type), raw_pair("key", type, "12345678"),
                   base::cat("key \"key\" has a value of the unknown type ", type));
  const size_t bytes[] = {1, 1, 2, 2, 4, 4, 4, 1, 8, 12, 8, 8, 8};  // a string's length, a list's type and count
  for (uint32_t type = 0; type < 13; ++type)
    cases.add_cut_pair(base::cat("cut off in a value of type ", type),
                       raw_pair("key", type, std::string(bytes[type] - 1, '\0')), "more bytes, but");
  for (int value : {2, 255})
    cases.add_pair(base::cat("bool of ", value), raw_pair("key", 7, raw(static_cast<uint8_t>(value))),
                   base::cat("holds a bool of ", value));
  for (uint64_t n : {kHuge, kHuge - 8, kHuge - 7, uint64_t{1} << 63, (uint64_t{1} << 30) + 1, uint64_t{1} << 40})
    cases.add_pair(base::cat("string of ", n, " bytes"), raw_pair("key", 8, raw(n) + "text"),
                   base::cat("key \"key\" claims a string of ", n, " bytes"));
  cases.add_cut_pair("string one byte too long", raw_pair("key", 8, raw(uint64_t{5}) + "text"),
                     "claims a string of 5 bytes, but 4 are left");
}

void add_lists(Cases& cases) {
  cases.add_pair("list of an unknown type", raw_list("key", 13, 1, "12345678"), "has a value of the unknown type 13");
  const std::pair<uint32_t, uint64_t> kCounts[] = {{0, kHuge},
                                                   {0, (uint64_t{1} << 32) + 1},
                                                   {1, uint64_t{1} << 63},  // bytes
                                                   {2, uint64_t{1} << 63},
                                                   {4, uint64_t{1} << 62},
                                                   {6, (uint64_t{1} << 62) + 1},  // whose bytes wrap to 0
                                                   {10, uint64_t{1} << 61},
                                                   {12, (uint64_t{1} << 61) + 1},
                                                   {7, kHuge},
                                                   {8, kHuge},
                                                   {8, uint64_t{1} << 61},
                                                   {8, uint64_t{1} << 40},
                                                   {9, kHuge},
                                                   {9, uint64_t{1} << 60}};
  for (const auto& [type, count] : kCounts)
    cases.add_pair(base::cat("list of ", count, " of type ", type), raw_list("key", type, count, "12345678"),
                   base::cat("claims a list of ", count));
  cases.add_cut_pair("list one item too long", raw_list("key", 4, 3, "12345678"),
                     "claims a list of 3 x u32, but 8 bytes");
  cases.add_cut_pair("list of strings cut off", raw_list("key", 8, 2, raw_string("12345678")), "needs 8 more bytes");
  cases.add_pair("list of strings with one of 2^64", raw_list("key", 8, 2, raw_string("a") + raw(kHuge)),
                 "claims a string");
  cases.add_pair("list with a bool of 7", raw_list("key", 7, 2, "\1\7"), "holds a bool of 7");
  cases.add_cut_pair("list without a count", raw_pair("key", 9, raw(4u)), "needs 8 more bytes, but 0 are left");
  std::string nested = raw(0u) + raw(uint64_t{0});
  for (int depth = 0; depth < 4; ++depth) nested = raw(9u) + raw(uint64_t{1}) + nested;
  cases.add_pair("lists too deep", raw_pair("key", 9, nested), "has lists nested deeper than 4");
  for (int depth = 0; depth < 5000; ++depth) nested = raw(9u) + raw(uint64_t{1}) + nested;
  cases.add_pair("lists 5,000 deep", raw_pair("key", 9, nested), "has lists nested deeper than 4");
  cases.add_pair("list in a list of 2^64", raw_list("key", 9, 1, raw(4u) + raw(kHuge)), "claims a list of 1844674407");
  cases.add_pair("list in a list of an unknown type", raw_list("key", 9, 1, raw(77u) + raw(kHuge)), "unknown type 77");
  cases.add_cut_pair("list in a list cut off", raw_list("key", 9, 1, raw(4u) + raw(uint64_t{1}) + "123"),
                     "claims a list of 1 x u32, but 3 bytes");
}

void add_alignments(Cases& cases) {
  const auto alignment = [&](std::string name, uint32_t type, const std::string& value, std::string message) {
    cases.add_pair(base::cat("alignment ", name), raw_pair("general.alignment", type, value), std::move(message));
  };
  for (uint32_t n : {0u, 3u, 13u, 33u, 1u << 21, 1u << 31, 0xFFFFFFFFu})
    alignment(base::cat(n), 4, raw(n), base::cat("\"general.alignment\" is ", n, "; it must be a power of two"));
  alignment("of u64", 10, raw(uint64_t{32}), "must be of type u32, found u64");
  alignment("of i32", 5, raw(int32_t{-32}), "must be of type u32, found i32");
  alignment("of a string", 8, raw_string("32"), "must be of type u32, found string");
  alignment("of a list", 9, raw(4u) + raw(uint64_t{1}) + raw(32u), "must be of type u32, found list");
  alignment("that the tensors do not keep", 4, raw(64u), "is not aligned to 64");
}

void add_tensors(Cases& cases) {
  const auto shape = [&](std::string name, const std::vector<uint64_t>& dims, std::string message, uint32_t type = 0) {
    cases.add_tensor(std::move(name), raw_tensor("t", dims, type, 320), "tensor \"t\" " + message);
  };
  for (uint64_t n : {kHuge, kHuge - 7, uint64_t{1} << 63})
    cases.add_tensor(base::cat("name of ", n, " bytes"), raw(n) + "t",
                     base::cat("tensor number 4 claims a string of ", n));
  cases.add_tensor("no name", raw_tensor("", {1}, 0, 320), "tensor number 4 has no name");
  cases.add_tensor("name of 256 bytes", raw_tensor(std::string(256, 'n'), {1}, 0, 320), "has a name of 256 bytes");
  cases.add_tensor("name twice", raw_tensor("w", {1}, 0, 320), "tensor \"w\" stands twice");
  shape("no dimension", {}, "has 0 dimensions");
  shape("five dimensions", {1, 1, 1, 1, 1}, "has 5 dimensions");
  cases.add_tensor("2^32-1 dimensions", raw_string("t") + raw(0xFFFFFFFFu) + std::string(64, '\1'),
                   "has 4294967295 dim");
  shape("dimension 0", {0}, "has an impossible dimension of 0");
  shape("dimension 0 behind another", {4, 0}, "has an impossible dimension of 0");
  shape("dimension 0 that others would be divided by", {kHuge >> 1, 0, 2}, "has an impossible dimension of 0");
  shape("dimension -1", {kHuge}, "has an impossible dimension of -1");
  shape("dimension 2^63", {uint64_t{1} << 63}, "has an impossible dimension of -9223372036854775808");
  shape("product 2^64", {uint64_t{1} << 32, uint64_t{1} << 32}, "has more weights than can be counted");
  shape("product that wraps to 0", {uint64_t{1} << 62, 4}, "has more weights than can be counted");
  shape("product that wraps to 4", {(uint64_t{1} << 62) + 1, 4}, "has more weights than can be counted");
  shape("product of four", {65536, 65536, 65536, 65536}, "has more weights than can be counted");
  shape("bytes that wrap to 0", {uint64_t{1} << 62}, "takes more bytes than can be counted");
  shape("bytes that wrap to 4", {(uint64_t{1} << 62) + 1}, "takes more bytes than can be counted");
  shape("bytes of blocks that wrap", {(kHuge >> 1) - 31}, "takes more bytes than can be counted", 9);
  shape("bytes near 2^63", {(uint64_t{1} << 61) - 1}, "takes 9223372036854775804 bytes from byte 320 of the data");
  for (uint32_t type : {4u, 5u, 31u, 33u, 36u, 38u, 1000u, 0xFFFFFFFFu})
    shape(base::cat("type ", type), {256}, base::cat("has the unknown type ", type), type);
  for (uint32_t type : {2u, 3u, 6u, 7u, 8u, 20u})
    shape(base::cat("half a block of type ", type), {16}, "has rows of 16", type);
  for (uint32_t type : {10u, 12u, 13u, 14u, 23u})
    shape(base::cat("part of a block of type ", type), {128, 2}, "has rows of 128", type);
  const auto place = [&](std::string name, uint64_t offset, std::string message) {
    cases.add_tensor(std::move(name), raw_tensor("t", {1}, 0, offset), "tensor \"t\" " + message);
  };
  place("offset 1", 1, "starts at byte 1 of the data, which is not aligned to 32");
  place("offset 2^64-32", kHuge - 31, "starts at the impossible byte 18446744073709551584");
  place("offset 2^63", uint64_t{1} << 63, "starts at the impossible byte");
  place("offset 2^63-32", (uint64_t{1} << 63) - 32, "takes 4 bytes from byte 9223372036854775776");
  place("offset at the end", 320, "takes 4 bytes from byte 320 of the data, which has 304; the file is cut off");
  place("in another tensor", 64, "starts at byte 64 of the data and overlaps \"q\", which ends at 100");
  place("at another tensor's start", 32, "starts at byte 32 of the data and overlaps \"q\", which ends at 100");
  cases.add(
      "four of one place",
      [](RawGguf& f) {
        for (auto& t : f.tensors) t.replace(t.size() - 8, 8, raw(uint64_t{0}));
      },
      "overlaps");
  cases.add(
      "last byte missing", [](RawGguf& f) { f.data.pop_back(); }, "tensor \"k\" takes 144 bytes from byte 160");
  cases.add(
      "no data", [](RawGguf& f) { f.data.clear(); }, "of the data, which has 0; the file is cut off");
  cases.add_bytes("cut off behind the table", right_gguf().table(), "of the data, which has 0; the file is cut off");
}

std::vector<Case> all_cases() {
  Cases cases;
  add_headers(cases);
  add_keys(cases);
  add_lists(cases);
  add_alignments(cases);
  add_tensors(cases);
  return cases.take();
}

class GgufMalformed : public TestDir {
 protected:
  // Quick: nothing is synced.
  void write(const std::string& file, const std::string& bytes) {
    base::FileWriter writer(file);
    writer.write(bytes);
    writer.close(false);
  }
};

TEST_F(GgufMalformed, EveryFileIsNamedWithWhatIsWrong) {
  const std::vector<Case> cases = all_cases();
  EXPECT_GE(cases.size(), 120u);
  const std::string file = path("t.gguf");
  for (const Case& c : cases) {
    write(file, c.bytes);
    try {
      GgufFile opened(file);
      ADD_FAILURE() << c.name << " was read";
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::kInput) << c.name;
      EXPECT_EQ(std::string(e.what()).find(file), 0u) << e.what();
      EXPECT_NE(e.message().find(c.message), std::string::npos)
          << c.name << "\n  gave: " << e.message() << "\n  wanted: " << c.message;
      EXPECT_LT(e.message().size(), 500u) << c.name;
    }
  }
}

// No number in a file makes the reader ask for memory: everything above again, with little to be had.
TEST_F(GgufMalformed, MemoryStaysBounded) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "sanitizers reserve more address space than the limit allows";
#endif
  const std::vector<Case> cases = all_cases();
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const rlimit limit{256 << 20, 256 << 20};  // the program and gtest take a part of it
    int status = ::setrlimit(RLIMIT_AS, &limit) == 0 ? 0 : 2;
    for (const Case& c : cases) {
      try {
        read_gguf_layout(c.bytes, "f");
      } catch (const Error&) {
      } catch (...) {
        status = 1;
      }
    }
    ::_exit(status);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}

TEST_F(GgufMalformed, EveryCutIsAnError) {
  const std::string right = right_gguf().bytes();
  for (size_t n = 0; n < right.size(); ++n)
    EXPECT_THROW(read_gguf_layout(std::string(right, 0, n), "f"), Error) << n << " of " << right.size() << " bytes";
}

TEST_F(GgufMalformed, ValuesOfAnotherTypeAreNamed) {
  const std::string file = path("t.gguf");
  RawGguf made = right_gguf();
  made.pairs.push_back(raw_pair("nan", 6, raw(std::numeric_limits<float>::quiet_NaN())));
  made.pairs.push_back(raw_list("huge", 10, 1, raw(kHuge)));
  write(file, made.bytes());
  const GgufFile opened(file);
  const GgufMetadata& m = opened.metadata();
  const std::pair<std::function<void()>, const char*> kWrong[] = {
      {[&] { m.int_at("absent"); }, "key \"absent\" is missing"},
      {[&] { m.string_at("absent"); }, "key \"absent\" is missing"},
      {[&] { m.strings_at("absent"); }, "key \"absent\" is missing"},
      {[&] { m.int_at("general.architecture"); }, "must be an integer below 2^63, found string"},
      {[&] { m.int_at("a.f32"); }, "must be an integer below 2^63, found f32"},
      {[&] { m.int_at("a.bool"); }, "must be an integer below 2^63, found bool"},
      {[&] { m.int_at("a.u64"); }, "must be an integer below 2^63, found u64"},
      {[&] { m.int_at("types"); }, "must be an integer below 2^63, found list of i32"},
      {[&] { m.int_or("tokens", 1); }, "must be an integer below 2^63, found list of string"},
      {[&] { m.double_at("general.architecture"); }, "must be a number, found string"},
      {[&] { m.double_at("scores"); }, "must be a number, found list of f32"},
      {[&] { m.double_at("nan"); }, "key \"nan\" is NaN or infinite"},
      {[&] { m.bool_at("a.u8"); }, "must be a bool, found u8"},
      {[&] { m.bool_or("flags", true); }, "must be a bool, found list of bool"},
      {[&] { m.string_at("tokens"); }, "must be a string, found list of string"},
      {[&] { m.string_or("a.u8", "x"); }, "must be a string, found u8"},
      {[&] { m.strings_at("scores"); }, "must be a list of strings, found list of f32"},
      {[&] { m.strings_at("lists"); }, "must be a list of strings, found list of list"},
      {[&] { m.strings_at("general.architecture"); }, "must be a list of strings, found string"},
      {[&] { m.ints_at("scores"); }, "must be a list of integers"},
      {[&] { m.ints_at("tokens"); }, "must be a list of integers, found list of string"},
      {[&] { m.ints_at("flags"); }, "must be a list of integers"},
      {[&] { m.ints_at("huge"); }, "must be a list of integers below 2^63, found list of u64"},
      {[&] { m.ints_at("a.u32"); }, "must be a list of integers, found u32"},
      {[&] { m.floats_at("types"); }, "must be a list of f32, found list of i32"},
      {[&] { m.floats_at("tokens"); }, "must be a list of f32, found list of string"},
      {[&] { m.bools_at("types"); }, "must be a list of bools, found list of i32"},
  };
  for (const auto& [ask, message] : kWrong) {
    try {
      ask();
      ADD_FAILURE() << message;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::kInput);
      EXPECT_EQ(e.where(), file);
      EXPECT_NE(e.message().find(message), std::string::npos) << e.message() << "\n  wanted: " << message;
    }
  }
}

TEST_F(GgufMalformed, WeightsThatAreNoNumbersOrCannotBeReadAreNamed) {
  const std::string file = path("t.gguf");
  const auto error_of = [&](const RawGguf& made, const char* tensor) -> std::string {
    write(file, made.bytes());
    const GgufFile opened(file);
    try {
      opened.read(opened.at(tensor));
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::kInput);
      return e.what();
    }
    return "";
  };
  RawGguf made = right_gguf();
  made.data.replace(4, 4, raw(std::numeric_limits<float>::quiet_NaN()));
  EXPECT_EQ(error_of(made, "w"), file + ": tensor \"w\" holds a weight that is NaN or infinite");
  EXPECT_EQ(error_of(made, "q"), "");
  made.data.replace(32, 2, raw(uint16_t{0x7C00}));  // a scale
  EXPECT_NE(error_of(made, "q").find("tensor \"q\" holds a weight that is NaN"), std::string::npos);
  made.data.replace(160 + 2, 2, raw(uint16_t{0x7E00}));  // a minimum's scale
  EXPECT_NE(error_of(made, "k").find("tensor \"k\" holds a weight that is NaN"), std::string::npos);
  made.tensors[3] = raw_tensor("k", {256}, 10, 160);
  EXPECT_NE(error_of(made, "k").find("is of type Q2_K, which is not read; F32, F16, Q4_0"), std::string::npos);
}

TEST_F(GgufMalformed, ChangedFilesNeverCrash) {
  const std::string right = right_gguf().bytes();
  base::Rng rng(base::RngKey(5).child("mutate"));
  int refused = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes = right;
    for (int64_t n = rng.between(1, 3); n > 0; --n) {
      const int64_t at = rng.below(static_cast<int64_t>(bytes.size()) - 8);
      if (rng.below(2))
        bytes[at] = static_cast<char>(rng.below(256));
      else
        bytes.replace(at, 8, raw(rng.below(2) ? kHuge >> rng.below(64) : uint64_t{1} << rng.below(64)));
    }
    try {
      const GgufLayout layout = read_gguf_layout(bytes, "f");
      for (const GgufTensor& tensor : layout.tensors)
        ASSERT_LE(tensor.offset + tensor.bytes, static_cast<int64_t>(layout.data.size()));
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::kInput) << e.what();
      ++refused;
    }
  }
  EXPECT_GT(refused, 5000);
}

}  // namespace
}  // namespace ponder::store
