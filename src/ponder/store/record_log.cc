#include "ponder/store/record_log.h"

#include <zstd.h>

#include <algorithm>

#include "ponder/base/error.h"
#include "ponder/base/rng.h"
#include "ponder/store/xxh64.h"

namespace ponder::store {
namespace {

constexpr int kLevel = 3;                          // half a second for a gigabyte; higher ones save little on floats
constexpr size_t kLargestBlock = size_t{1} << 30;  // decompressed; a frame that claims more is not believed

std::string data_path(const std::string& dir, const std::string& name) {
  return base::join_path(dir, name + ".jsonl.zst");
}
std::string index_path(const std::string& dir, const std::string& name) {
  return base::join_path(dir, name + ".index.jsonl");
}

std::string compress(const std::string& text) {
  std::string frame(ZSTD_compressBound(text.size()), '\0');
  const size_t size = ZSTD_compress(frame.data(), frame.size(), text.data(), text.size(), kLevel);
  PONDER_CHECK(!ZSTD_isError(size), "zstd: ", ZSTD_getErrorName(size));
  frame.resize(size);
  return frame;
}

// Grows with what really comes out, so that a damaged size in the frame's header allocates nothing.
std::string decompress(std::string_view frame, const std::string& where) {
  const auto fail = [&](const std::string& why) {
    throw Error(ErrorCode::kInput, base::cat("the block is no whole zstd frame (", why, ")"), where);
  };
  const std::unique_ptr<ZSTD_DStream, size_t (*)(ZSTD_DStream*)> stream(ZSTD_createDStream(), ZSTD_freeDStream);
  std::string text;
  ZSTD_inBuffer in{frame.data(), frame.size(), 0};
  for (size_t used = 0, left = 1; left != 0;) {
    text.resize(used + std::max<size_t>(4 * frame.size(), 1 << 16));
    ZSTD_outBuffer out{text.data() + used, text.size() - used, 0};
    left = ZSTD_decompressStream(stream.get(), &out, &in);
    if (ZSTD_isError(left)) fail(ZSTD_getErrorName(left));
    used += out.pos;
    text.resize(used);
    if (left != 0 && out.pos == 0 && in.pos == in.size) fail("it ends early");
    if (used > kLargestBlock) fail("it is larger than 1 GiB");
  }
  return text;
}

base::Json to_json(const RecordBlock& b) {
  return base::Json::Object{{"stage", b.stage},   {"step", b.step},   {"rows", b.rows},
                            {"offset", b.offset}, {"bytes", b.bytes}, {"xxh64", b.hash}};
}

RecordBlock block_from(const base::Json& json) {
  return {json.at("stage").as_string(), json.at("step").as_int(),  json.at("rows").as_int(),
          json.at("offset").as_int(),   json.at("bytes").as_int(), json.at("xxh64").as_string()};
}

}  // namespace

RecordLog::RecordLog(const std::string& dir, const std::string& name)
    : data_path_(data_path(dir, name)), index_path_(index_path(dir, name)) {
  if (base::file_exists(index_path_)) open();
}

void RecordLog::open() {
  auto index = std::make_unique<JsonlLog>(index_path_);
  data_ = std::make_unique<base::FileWriter>(data_path_, true);
  // After a power cut the index may know blocks whose bytes never reached the disk.
  const int64_t there = data_->offset();
  std::string lines;
  end_ = 0;
  bool is_whole = true;
  base::read_jsonl(index_path_, [&](base::Json&& row, int64_t) {
    const RecordBlock block = block_from(row);
    is_whole = is_whole && block.offset == end_ && block.bytes <= there - end_;
    if (!is_whole) return;
    end_ += block.bytes;
    lines += row.dump() + "\n";
  });
  if (!is_whole) {
    index.reset();
    base::write_file_atomic(index_path_, lines);
    index = std::make_unique<JsonlLog>(index_path_);
  }
  index_ = std::move(index);
  cut_data();
}

void RecordLog::cut_data() {
  if (base::file_size(data_path_) > end_) base::truncate_file(data_path_, end_);
}

void RecordLog::append(const std::string& stage, int64_t step, std::span<const base::Json> rows) {
  if (!index_) open();
  std::string text;
  for (const base::Json& row : rows) text += row.dump() + "\n";
  const std::string frame = compress(text);
  const RecordBlock block{stage,
                          step,
                          static_cast<int64_t>(rows.size()),
                          end_,
                          static_cast<int64_t>(frame.size()),
                          base::hex64(xxh64(frame))};
  try {
    data_->write(frame);
    data_->flush();
    index_->append(to_json(block));
  } catch (...) {
    cut_data();  // a disk that filled up within the block must not leave half of it
    throw;
  }
  end_ += block.bytes;
}

void RecordLog::rewind(const std::string& stage, int64_t step) {
  if (!index_) return;
  index_->rewind(stage, step);
  end_ = 0;
  base::read_jsonl(index_path_, [&](base::Json&& row, int64_t) { end_ += row.at("bytes").as_int(); });
  cut_data();
}

void RecordLog::hold(int64_t blocks) {
  if (index_) index_->hold(blocks);  // a row a block
}

void RecordLog::sync() {
  if (!index_) return;
  data_->sync();
  index_->sync();
}

std::vector<RecordBlock> list_records(const std::string& dir, const std::string& name) {
  std::vector<RecordBlock> blocks;
  const std::string path = index_path(dir, name);
  if (!base::file_exists(path)) return blocks;
  base::read_jsonl(path, [&](base::Json&& row, int64_t) { blocks.push_back(block_from(row)); });
  return blocks;
}

std::vector<RecordBlock> list_whole_records(const std::string& dir, const std::string& name) {
  std::vector<RecordBlock> blocks;
  const std::string path = index_path(dir, name);
  if (!base::file_exists(path)) return blocks;
  int64_t end = 0;
  bool is_whole = true;
  const auto take = [&](base::Json&& row) {
    const RecordBlock block = block_from(row);
    is_whole = is_whole && block.offset == end && block.bytes > 0;
    if (!is_whole) return;
    end += block.bytes;
    blocks.push_back(block);
  };
  base::read_jsonl(
      path,
      [&](base::Json&& row, int64_t) {
        try {
          take(std::move(row));
        } catch (const Error&) {
          is_whole = false;
        }
      },
      [&](const std::string&, int64_t) { is_whole = false; });
  return blocks;
}

namespace {

// The compressed bytes of a block, which must be those that were written.
std::string_view frame_of(const base::MappedFile& file, const RecordBlock& block, const std::string& where) {
  const auto size = static_cast<int64_t>(file.bytes().size());
  if (block.offset < 0 || block.bytes < 0 || block.offset > size || block.bytes > size - block.offset)
    throw Error(ErrorCode::kInput, base::cat("the file ends at byte ", size, ", before the block's end"), where);
  const std::string_view frame =
      file.bytes().substr(static_cast<size_t>(block.offset), static_cast<size_t>(block.bytes));
  if (base::hex64(xxh64(frame)) != block.hash)
    throw Error(ErrorCode::kInput,
                base::cat("the block's bytes are not those that were written (XXH64 is not ", block.hash, ")"), where);
  return frame;
}

std::string place_of(const std::string& path, const RecordBlock& block) {
  return base::cat(path, ": ", block.stage, " step ", block.step);
}

}  // namespace

void verify_records(const std::string& dir, const std::string& name, std::span<const RecordBlock> blocks) {
  const std::string path = data_path(dir, name);
  const base::MappedFile file(path);
  for (const RecordBlock& block : blocks) frame_of(file, block, place_of(path, block));
}

std::vector<base::Json> read_records(const std::string& dir, const std::string& name, const RecordBlock& block) {
  const std::string path = data_path(dir, name), where = place_of(path, block);
  const base::MappedFile file(path);
  const std::string text = decompress(frame_of(file, block, where), where);
  std::vector<base::Json> rows;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    rows.push_back(base::Json::parse(std::string_view(text).substr(begin, end - begin), where));
    begin = end + 1;
  }
  if (static_cast<int64_t>(rows.size()) != block.rows)
    throw Error(ErrorCode::kInput, base::cat("the block holds ", rows.size(), " rows and not ", block.rows), where);
  return rows;
}

}  // namespace ponder::store
