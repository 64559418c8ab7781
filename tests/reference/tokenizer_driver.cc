// Runs a tokenizer over a file of records for check_tokenizers.py:
//   tokenizer_driver MODEL encode|encode-plain|ranges|decode|decode-skip IN OUT
// MODEL is a tokenizer.json, or a GGUF vocabulary written as JSON (*.gguf.json, see the script). A record is a 32-bit
// length and that many bytes of text, or a 32-bit count and that many ids; what goes in as text comes out as ids and the
// other way round. Prints how long loading and the work itself took, as JSON.
#include <chrono>
#include <cstdio>
#include <cstring>

#include "ponder/base/error.h"
#include "ponder/base/file.h"
#include "ponder/base/json.h"
#include "ponder/text/gguf_vocabulary.h"
#include "ponder/text/tokenizer_json.h"

namespace {

using namespace ponder;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

uint32_t take_u32(std::string_view& in) {
  uint32_t value;
  PONDER_CHECK(in.size() >= sizeof value);
  std::memcpy(&value, in.data(), sizeof value);
  in.remove_prefix(sizeof value);
  return value;
}

void put_u32(std::string& out, size_t value) {
  const auto word = static_cast<uint32_t>(value);
  out.append(reinterpret_cast<const char*>(&word), sizeof word);
}

void put_ids(std::string& out, const core::Tokens& ids) {
  put_u32(out, ids.size());
  out.append(reinterpret_cast<const char*>(ids.data()), ids.size() * sizeof ids[0]);
}

std::unique_ptr<text::Tokenizer> read_gguf_json(const std::string& json, const std::string& where) {
  const base::Json file = base::Json::parse(json, where);
  text::GgufVocabulary v;
  v.model = file.string_at("model"), v.pre = file.string_at("pre");
  for (const base::Json& token : file.at("tokens").as_array()) v.tokens.push_back(token.as_string());
  for (const base::Json& score : file.at("scores").as_array()) v.scores.push_back(static_cast<float>(score.as_double()));
  for (const int64_t type : file.ints_at("types")) v.types.push_back(static_cast<int32_t>(type));
  for (const base::Json& merge : file.at("merges").as_array()) v.merges.push_back(merge.as_string());
  v.bos = file.int_at("bos"), v.eos = file.int_at("eos"), v.unk = file.int_at("unk"), v.pad = file.int_at("pad");
  v.add_bos = file.at("add_bos").as_bool();
  v.add_space_prefix = file.at("add_space_prefix").as_bool();
  return text::make_gguf_tokenizer(v, where);
}

void run(const std::string& model, const std::string& mode, const std::string& in_path, const std::string& out_path) {
  const std::string file = base::read_file(in_path);
  std::string_view in = file;
  std::string out;
  auto start = Clock::now();
  const std::string json = base::read_file(model);
  const auto tokenizer = model.ends_with(".gguf.json") ? read_gguf_json(json, model) : text::read_tokenizer_json(json, model);
  const double load_s = seconds_since(start);
  start = Clock::now();
  while (!in.empty()) {
    const uint32_t n = take_u32(in);
    if (mode.starts_with("decode")) {
      core::Tokens ids(n);
      std::memcpy(ids.data(), in.data(), n * sizeof ids[0]);
      in.remove_prefix(n * sizeof ids[0]);
      const std::string text = tokenizer->decode_text(ids, mode == "decode-skip");
      put_u32(out, text.size());
      out += text;
      continue;
    }
    const std::string_view text = in.substr(0, n);
    in.remove_prefix(n);
    if (mode == "ranges") {
      const text::Encoding encoding = tokenizer->encode_with_ranges(text, {true, true});
      put_ids(out, encoding.ids);
      for (const text::ByteRange& range : encoding.ranges) put_u32(out, range.begin), put_u32(out, range.end);
    } else {
      put_ids(out, tokenizer->encode(text, mode == "encode-plain" ? text::EncodeOptions{false, false}
                                                                  : text::EncodeOptions{true, true}));
    }
  }
  const double run_s = seconds_since(start);
  base::write_file_atomic(out_path, out);
  std::printf("{\"load_s\": %.4f, \"run_s\": %.4f}\n", load_s, run_s);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) {
    std::fprintf(stderr, "usage: tokenizer_driver tokenizer.json encode|encode-plain|ranges|decode|decode-skip IN OUT\n");
    return 2;
  }
  try {
    run(argv[1], argv[2], argv[3], argv[4]);
    return 0;
  } catch (const Error& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 3;
  }
}
