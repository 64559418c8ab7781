// The optional module: store/parquet.h over Apache Arrow's C++ library. Empty without -DPONDER_PARQUET=ON.
#ifdef PONDER_PARQUET
#include <arrow/api.h>
#include <arrow/io/file.h>
#include <arrow/util/utf8.h>
#include <parquet/arrow/reader.h>
#include <parquet/properties.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <limits>
#include <new>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "ponder/base/error.h"
#include "ponder/store/parquet.h"

namespace ponder::store {
namespace {

using arrow::Type;
using base::cat;
using base::Json;

constexpr int64_t kBatchRows = 64;
constexpr int64_t kMaxBytes = int64_t{4} << 30;  // of pages and batches at a time; what a damaged length can ask for
constexpr int kMaxDepth = 100;

[[noreturn]] void fail(const std::string& where, const std::string& message) {
  throw Error(ErrorCode::kInput, message, where);
}

// Arrow's messages may have several lines.
std::string one_line(std::string text) {
  text.resize(std::min(text.find('\n'), text.size()));
  return text;
}

void check(const arrow::Status& status, const std::string& path) {
  if (status.ok()) return;
  if (status.IsOutOfMemory()) fail(path, cat("a batch of rows needs more than ", kMaxBytes >> 30, " GiB of memory"));
  if (status.IsNotImplemented()) fail(path, cat("this is not read: ", one_line(status.message())));
  fail(path, cat("the Parquet data is damaged or cut off: ", one_line(status.message())));
}
template <class T>
T take(arrow::Result<T> result, const std::string& path) {
  check(result.status(), path);
  return std::move(result).ValueUnsafe();
}
// Parquet's own layer throws.
template <class F>
auto guarded(const std::string& path, F&& f) {
  try {
    return f();
  } catch (const Error&) {
    throw;
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& e) {
    fail(path, cat("the Parquet data is damaged or cut off: ", one_line(e.what())));
  }
}

void check_type(const std::string& path, const std::string& column, const arrow::DataType& type, int depth) {
  if (depth > kMaxDepth) fail(path, cat("column \"", column, "\" is nested more than ", kMaxDepth, " deep"));
  switch (type.id()) {
    case Type::NA:
    case Type::BOOL:
    case Type::INT8:
    case Type::INT16:
    case Type::INT32:
    case Type::INT64:
    case Type::UINT8:
    case Type::UINT16:
    case Type::UINT32:
    case Type::UINT64:
    case Type::FLOAT:
    case Type::DOUBLE:
    case Type::STRING:
    case Type::LARGE_STRING:
    case Type::STRING_VIEW:
    case Type::BINARY:
    case Type::LARGE_BINARY:
    case Type::BINARY_VIEW:
    case Type::DATE32:
    case Type::DATE64:
    case Type::TIMESTAMP:
      return;
    case Type::LIST:
    case Type::LARGE_LIST:
    case Type::FIXED_SIZE_LIST:
      return check_type(path, column + "[]", *type.field(0)->type(), depth + 1);
    case Type::STRUCT: {
      std::vector<std::string> names;
      for (const auto& field : type.fields()) {
        check_type(path, cat(column, ".", field->name()), *field->type(), depth + 1);
        names.push_back(field->name());
      }
      std::sort(names.begin(), names.end());
      const auto twice = std::adjacent_find(names.begin(), names.end());
      if (twice != names.end()) fail(path, cat("column \"", column, "\" has the key \"", *twice, "\" twice"));
      return;
    }
    case Type::MAP: {
      const auto& map = static_cast<const arrow::MapType&>(type);
      if (map.key_type()->id() != Type::STRING && map.key_type()->id() != Type::LARGE_STRING)
        fail(path, cat("column \"", column, "\" is a ", type.ToString(), "; keys of an object must be texts"));
      return check_type(path, column + "{}", *map.item_type(), depth + 1);
    }
    case Type::DICTIONARY:
      return check_type(path, column, *static_cast<const arrow::DictionaryType&>(type).value_type(), depth + 1);
    case Type::EXTENSION:
      return check_type(path, column, *static_cast<const arrow::ExtensionType&>(type).storage_type(), depth + 1);
    default:
      fail(path, cat("column \"", column, "\" is of type ", type.ToString(),
                     ", which has no place in JSON; write it as text or a number, or leave the column out"));
  }
}

// 2024-05-01T12:00:00.25, with Z when it is UTC; only the day when ticks are days.
std::string iso_time(int64_t ticks, int64_t per_day, bool is_utc, const std::string& where) {
  int64_t day = ticks / per_day, rest = ticks % per_day;
  if (rest < 0) rest += per_day, --day;
  if (day < -719528 || day > 2932896) fail(where, "a date lies outside of the years 0 to 9999");
  const std::chrono::year_month_day date{std::chrono::sys_days{std::chrono::days{day}}};
  const auto digits = [](int64_t value, size_t n) {
    std::string text = cat(value);
    return std::string(n - std::min(n, text.size()), '0') + text;
  };
  std::string out =
      cat(digits(int{date.year()}, 4), "-", digits(unsigned{date.month()}, 2), "-", digits(unsigned{date.day()}, 2));
  if (per_day == 1) return out;
  const int64_t per_second = per_day / 86400, second = rest / per_second, fraction = rest % per_second;
  out += cat("T", digits(second / 3600, 2), ":", digits(second / 60 % 60, 2), ":", digits(second % 60, 2));
  if (fraction > 0) {
    out += cat(".", digits(fraction, cat(per_second).size() - 1));
    out.resize(out.find_last_not_of('0') + 1);
  }
  return is_utc ? out + "Z" : out;
}

int64_t ticks_per_day(arrow::TimeUnit::type unit) {
  switch (unit) {
    case arrow::TimeUnit::SECOND:
      return 86400;
    case arrow::TimeUnit::MILLI:
      return int64_t{86400} * 1000;
    case arrow::TimeUnit::MICRO:
      return int64_t{86400} * 1000 * 1000;
    default:
      return int64_t{86400} * 1000 * 1000 * 1000;
  }
}

// One value of a batch that was validated. where: "file:row", for what only a value shows.
class Values {
 public:
  explicit Values(const std::string& where) : where_(where) {}

  Json of(const arrow::Array& a, int64_t i) const {
    if (a.IsNull(i)) return nullptr;
    switch (a.type_id()) {
      case Type::BOOL:
        return static_cast<const arrow::BooleanArray&>(a).Value(i);
      case Type::INT8:
        return whole<arrow::Int8Array>(a, i);
      case Type::INT16:
        return whole<arrow::Int16Array>(a, i);
      case Type::INT32:
        return whole<arrow::Int32Array>(a, i);
      case Type::INT64:
        return whole<arrow::Int64Array>(a, i);
      case Type::UINT8:
        return whole<arrow::UInt8Array>(a, i);
      case Type::UINT16:
        return whole<arrow::UInt16Array>(a, i);
      case Type::UINT32:
        return whole<arrow::UInt32Array>(a, i);
      case Type::UINT64: {
        const uint64_t v = static_cast<const arrow::UInt64Array&>(a).Value(i);
        return v > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()) ? Json(static_cast<double>(v)) : Json(v);
      }
      case Type::FLOAT:
        return static_cast<const arrow::FloatArray&>(a).Value(i);
      case Type::DOUBLE:
        return static_cast<const arrow::DoubleArray&>(a).Value(i);
      case Type::STRING:
        return static_cast<const arrow::StringArray&>(a).GetView(i);
      case Type::LARGE_STRING:
        return static_cast<const arrow::LargeStringArray&>(a).GetView(i);
      case Type::STRING_VIEW:
        return static_cast<const arrow::StringViewArray&>(a).GetView(i);
      case Type::BINARY:
        return text(static_cast<const arrow::BinaryArray&>(a).GetView(i));
      case Type::LARGE_BINARY:
        return text(static_cast<const arrow::LargeBinaryArray&>(a).GetView(i));
      case Type::BINARY_VIEW:
        return text(static_cast<const arrow::BinaryViewArray&>(a).GetView(i));
      case Type::DATE32:
        return iso_time(static_cast<const arrow::Date32Array&>(a).Value(i), 1, false, where_);
      case Type::DATE64:  // milliseconds of whole days
        return iso_time(static_cast<const arrow::Date64Array&>(a).Value(i) / (86400 * 1000), 1, false, where_);
      case Type::TIMESTAMP: {
        const auto& type = static_cast<const arrow::TimestampType&>(*a.type());
        return iso_time(static_cast<const arrow::TimestampArray&>(a).Value(i), ticks_per_day(type.unit()),
                        !type.timezone().empty(), where_);
      }
      case Type::LIST:
        return list<arrow::ListArray>(a, i);
      case Type::LARGE_LIST:
        return list<arrow::LargeListArray>(a, i);
      case Type::FIXED_SIZE_LIST:
        return list<arrow::FixedSizeListArray>(a, i);
      case Type::STRUCT:
        return object(static_cast<const arrow::StructArray&>(a), i);
      case Type::MAP:
        return map(static_cast<const arrow::MapArray&>(a), i);
      case Type::DICTIONARY: {
        const auto& d = static_cast<const arrow::DictionaryArray&>(a);
        return of(*d.dictionary(), d.GetValueIndex(i));
      }
      case Type::EXTENSION:
        return of(*static_cast<const arrow::ExtensionArray&>(a).storage(), i);
      default:
        fail(where_, cat("a value of type ", a.type()->ToString(), " has no place in JSON"));
    }
  }

 private:
  template <class A>
  static Json whole(const arrow::Array& a, int64_t i) {
    return static_cast<int64_t>(static_cast<const A&>(a).Value(i));
  }
  // Old writers do not say that bytes are text.
  Json text(std::string_view bytes) const {
    if (!arrow::util::ValidateUTF8(bytes))
      fail(where_, "a value holds bytes that are no UTF-8; write them as text (base64) or leave the column out");
    return bytes;
  }
  template <class A>
  Json list(const arrow::Array& a, int64_t i) const {
    const auto& lists = static_cast<const A&>(a);
    const int64_t first = lists.value_offset(i), n = lists.value_length(i);
    count(n);
    Json::Array out;
    out.reserve(static_cast<size_t>(n));
    for (int64_t k = first; k < first + n; ++k) out.push_back(of(*lists.values(), k));
    return out;
  }
  Json object(const arrow::StructArray& a, int64_t i) const {
    Json::Object out;
    for (int f = 0; f < a.num_fields(); ++f)
      if (Json value = of(*a.field(f), i); !value.is_null())
        out.emplace_back(a.struct_type()->field(f)->name(), std::move(value));
    return out;
  }
  Json map(const arrow::MapArray& a, int64_t i) const {
    count(a.value_length(i));
    Json::Object out;
    std::unordered_set<std::string> keys;
    for (int64_t k = a.value_offset(i); k < a.value_offset(i) + a.value_length(i); ++k) {
      std::string key = of(*a.keys(), k).as_string();
      if (!keys.insert(key).second) fail(where_, cat("a map has the key \"", key, "\" twice"));
      out.emplace_back(std::move(key), of(*a.items(), k));
    }
    return out;
  }

  // A few kilobytes of a file can say more than memory holds.
  void count(int64_t values) const {
    constexpr int64_t kMostValues = int64_t{1} << 24;
    values_ += values;
    if (values_ > kMostValues) fail(where_, cat("a row has lists of more than ", kMostValues, " values"));
  }

  const std::string& where_;
  mutable int64_t values_ = 0;
};

// What Arrow would only call invalid.
void check_ends(arrow::io::RandomAccessFile& file, const std::string& path) {
  const int64_t bytes = take(file.GetSize(), path);
  char begin[4] = {}, end[4] = {};
  if (bytes >= 12) {
    take(file.ReadAt(0, 4, begin), path);
    take(file.ReadAt(bytes - 4, 4, end), path);
  }
  if (std::memcmp(end, "PARE", 4) == 0) fail(path, "the Parquet file is encrypted, which is not read");
  if (std::memcmp(begin, "PAR1", 4) != 0)
    fail(path, bytes < 12 ? cat("this is no Parquet file: it has ", bytes, " bytes, the shortest has 12")
                          : "this is no Parquet file: it does not begin with PAR1");
  if (std::memcmp(end, "PAR1", 4) != 0) fail(path, "the Parquet file is cut off: it does not end with PAR1");
}

}  // namespace

bool has_parquet() { return true; }

class ParquetRows::Source {
 public:
  explicit Source(const std::string& path) : path_(path), pool_(arrow::default_memory_pool(), kMaxBytes) {
    arrow::util::InitializeUTF8();
    auto opened = arrow::io::ReadableFile::Open(path, &pool_);
    if (!opened.ok()) fail(path, cat("cannot read the file: ", one_line(opened.status().message())));
    const std::shared_ptr<arrow::io::ReadableFile> file = *opened;
    check_ends(*file, path);
    parquet::ReaderProperties properties(&pool_);
    properties.enable_buffered_stream();  // a page at a time, not the columns of a whole row group
    properties.set_page_checksum_verification(true);
    parquet::ArrowReaderProperties arrow_properties(/*use_threads=*/false);
    arrow_properties.set_pre_buffer(false);
    arrow_properties.set_batch_size(kBatchRows);
    parquet::arrow::FileReaderBuilder builder;
    check(builder.Open(file, properties), path);
    reader_ = take(builder.memory_pool(&pool_)->properties(arrow_properties)->Build(), path);
    batches_ = take(reader_->GetRecordBatchReader(), path);
    std::vector<std::string> names;
    for (const auto& field : batches_->schema()->fields()) {
      check_type(path, field->name(), *field->type(), 0);
      names.push_back(field->name());
    }
    std::sort(names.begin(), names.end());
    const auto twice = std::adjacent_find(names.begin(), names.end());
    if (twice != names.end()) fail(path, cat("there are two columns \"", *twice, "\""));
  }

  bool next(Json& row, int64_t number) {
    while (!batch_ || at_ == batch_->num_rows()) {
      at_ = 0;
      columns_.clear();
      check(batches_->ReadNext(&batch_), path_);
      if (!batch_) return false;
      check(batch_->ValidateFull(), path_);  // offsets, indices of dictionaries, UTF-8
      columns_ = batch_->columns();
    }
    const std::string where = cat(path_, ":", number);
    const Values values(where);
    Json::Object out;
    out.reserve(columns_.size());
    for (size_t c = 0; c < columns_.size(); ++c)
      out.emplace_back(batch_->schema()->field(static_cast<int>(c))->name(), values.of(*columns_[c], at_));
    row = std::move(out);
    ++at_;
    return true;
  }

  const std::string& path() const { return path_; }

 private:
  const std::string path_;
  arrow::CappedMemoryPool pool_;
  std::unique_ptr<parquet::arrow::FileReader> reader_;
  std::unique_ptr<arrow::RecordBatchReader> batches_;
  std::shared_ptr<arrow::RecordBatch> batch_;
  std::vector<std::shared_ptr<arrow::Array>> columns_;
  int64_t at_ = 0;
};

ParquetRows::ParquetRows(const std::string& path)
    : source_(guarded(path, [&] { return std::make_unique<Source>(path); })) {}
ParquetRows::~ParquetRows() = default;

bool ParquetRows::next(base::Json& row) {
  const bool is_row = guarded(source_->path(), [&] { return source_->next(row, number_ + 1); });
  number_ += is_row;
  return is_row;
}

}  // namespace ponder::store
#endif
