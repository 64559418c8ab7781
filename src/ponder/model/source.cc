#include "ponder/model/source.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <set>

#include "ponder/base/error.h"
#include "ponder/store/quant.h"
#include "ponder/store/shards.h"

namespace ponder::model {
namespace {

using tensor::Matrix;
using tensor::RowType;

std::string shape_text(const std::vector<int64_t>& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) text += base::cat(i ? "," : "", shape[i]);
  return text + "]";
}

// `entry` is one of the file's.
SourceTensor tensor_of(const std::shared_ptr<const store::SafetensorsFile>& file, const store::TensorEntry& entry) {
  SourceTensor t;
  t.shape = entry.shape;
  t.where = file->path();
  t.forget = [file, &entry] { file->forget(entry); };
  const int64_t columns = t.columns();
  if (file->weight_type(entry) == store::GgmlType::kBf16) {  // kept as they are
    t.type = RowType::kBf16;
    t.read = [=, &entry](int64_t row, void* out) { file->read_bf16(entry, row * columns, columns, out); };
  } else {
    t.read = [=, &entry](int64_t row, void* out) {
      file->read(entry, row * columns, columns, static_cast<float*>(out));
    };
  }
  return t;
}

// Several tensors one below the other, as the decoder multiplies them.
struct Stack {
  std::vector<const SourceTensor*> parts;
  int64_t rows() const {
    int64_t n = 0;
    for (const SourceTensor* part : parts) n += part->rows();
    return n;
  }
  int64_t columns() const { return parts[0]->columns(); }
  bool is_bf16() const {
    return std::ranges::all_of(parts, [](const SourceTensor* part) { return part->type == RowType::kBf16; });
  }
  // The part that row `row` of all lies in; row becomes its row there.
  const SourceTensor& part_of(int64_t& row) const {
    size_t i = 0;
    for (; row >= parts[i]->rows(); ++i) row -= parts[i]->rows();
    return *parts[i];
  }
};

// To nearest, ties to even.
void to_bf16(const SourceTensor& part, const float* x, void* out) {
  if (!store::quantize(store::GgmlType::kBf16, x, out, part.columns()))
    throw Error(ErrorCode::kInput, "a weight is too large for bf16", part.where);
}

// A row of floats in blocks of 4 or 8 bits.
void to_blocks(const SourceTensor& part, const float* x, bool four, int8_t* values, uint16_t* scales) {
  const int64_t columns = part.columns();
  bool fits = true;
  (four ? tensor::to_int4 : tensor::to_int8)(x, columns, values, scales);
  for (int64_t b = 0; fits && b < tensor::blocks_of(columns); ++b) fits = (scales[b] & 0x7C00) != 0x7C00;
  if (!fits) throw Error(ErrorCode::kInput, "a weight is too large for blocks with scales of 16 bits", part.where);
}

Matrix block_matrix(const Stack& stack, tensor::Compute compute) {
  const bool four = compute == tensor::Compute::kInt4;
  std::vector<float> floats(static_cast<size_t>(stack.columns()));
  return tensor::block_matrix(stack.rows(), stack.columns(), compute,
                              [&](int64_t row, int8_t* values, uint16_t* scales) {
                                const SourceTensor& part = stack.part_of(row);
                                if (part.read_blocks && part.block_bits <= (four ? 4 : 8))
                                  return part.read_blocks(row, values, scales);
                                read_floats(part, row, floats.data());
                                to_blocks(part, floats.data(), four, values, scales);
                              });
}

Matrix float_matrix(const Stack& stack, tensor::Compute compute, WeightType type) {
  const bool rounds = type == WeightType::kBf16 && !stack.is_bf16();
  const bool halves = rounds || (stack.is_bf16() && type != WeightType::kF32);
  std::vector<float> floats(static_cast<size_t>(rounds ? stack.columns() : 0));
  return tensor::read_only_matrix(stack.rows(), stack.columns(), compute, halves ? RowType::kBf16 : RowType::kF32,
                                  [&](int64_t row, void* out) {
                                    const SourceTensor& part = stack.part_of(row);
                                    if (rounds) {
                                      read_floats(part, row, floats.data());
                                      to_bf16(part, floats.data(), out);
                                    } else if (halves) {
                                      part.read(row, out);
                                    } else {
                                      read_floats(part, row, static_cast<float*>(out));
                                    }
                                  });
}

Matrix pack_matrix(const Stack& stack, tensor::Compute compute, WeightType type) {
  Matrix matrix = type == WeightType::kQ4_0   ? block_matrix(stack, tensor::Compute::kInt4)
                  : type == WeightType::kQ8_0 ? block_matrix(stack, tensor::Compute::kInt8)
                                              : float_matrix(stack, compute, type);
  for (const SourceTensor* part : stack.parts) part->forget();
  return matrix;
}

at::Tensor read_tensor(const std::vector<const SourceTensor*>& parts, const std::vector<int64_t>& shape) {
  at::Tensor tensor = at::empty(shape, at::kFloat);
  float* out = tensor.mutable_data_ptr<float>();
  for (const SourceTensor* part : parts)
    for (int64_t row = 0; row < part->rows(); ++row, out += part->columns()) read_floats(*part, row, out);
  return tensor;
}

at::Tensor read_flat(const DecoderConfig& config, const Source& source) {
  at::Tensor flat = at::empty({config.parameter_count()}, at::kFloat);
  for (const auto& p : parameter_table(config)) {
    const SourceTensor& tensor = source.at(p.name);
    float* out = flat.mutable_data_ptr<float>() + p.offset;
    for (int64_t row = 0; row < tensor.rows(); ++row, out += tensor.columns()) read_floats(tensor, row, out);
    tensor.forget();
  }
  return flat;
}

// Reads what is else read a row at a time, when a token asks for it: a weight that is none is an error now.
void check_weights(const SourceTensor& tensor) {
  std::vector<float> row(static_cast<size_t>(tensor.columns()));
  for (int64_t i = 0; i < tensor.rows(); ++i) read_floats(tensor, i, row.data());
  tensor.forget();
}

// A piece of the decoder is the next tensors of the table, as many as have its size together.
DecoderWeights read_only_weights(const DecoderConfig& config, const Source& source, WeightType type) {
  const std::vector<ParameterInfo> table = parameter_table(config);
  size_t next = 0;
  const auto parts_of = [&](const std::vector<int64_t>& shape) {
    int64_t left = 1;
    for (const int64_t n : shape) left *= n;
    std::vector<const SourceTensor*> parts;
    for (; left > 0; left -= table[next++].numel()) parts.push_back(&source.at(table[next].name));
    PONDER_CHECK(left == 0, "the decoder's pieces and the table of its tensors disagree");
    return parts;
  };
  const SourceTensor embedding = source.at(table[0].name);
  const WeightType head_type = type == WeightType::kQ4_0 ? WeightType::kQ8_0 : type;
  DecoderWeights weights = take_weights(
      config,
      [&](const std::string& name, const std::vector<int64_t>& shape) {
        const auto parts = parts_of(shape);
        return name == kEmbeddingPiece ? at::Tensor() : read_tensor(parts, shape);
      },
      [&](const std::string& name, const std::vector<int64_t>& shape) {
        return pack_matrix({parts_of(shape)}, config.product_type(), name == kHeadPiece ? head_type : type);
      });
  if (config.tied)
    weights.head = pack_matrix({{&embedding}}, config.product_type(), head_type);
  else
    check_weights(embedding);
  weights.embedding_row = [embedding](int64_t id, float* out) { read_floats(embedding, id, out); };
  return weights;
}

}  // namespace

int64_t SourceTensor::rows() const {
  int64_t n = 1;
  for (size_t i = 0; i + 1 < shape.size(); ++i) n *= shape[i];
  return n;
}

void read_floats(const SourceTensor& tensor, int64_t row, float* out) {
  tensor.read(row, out);
  if (tensor.type == RowType::kF32) return;
  // From the back, so that no half is overwritten before it is read.
  const auto* halves = reinterpret_cast<const char*>(out);
  for (int64_t i = tensor.columns(); i-- > 0;) {
    uint16_t bits = 0;
    std::memcpy(&bits, halves + 2 * i, 2);
    const uint32_t wide = static_cast<uint32_t>(bits) << 16;
    std::memcpy(out + i, &wide, 4);
  }
}

Source open_safetensors_file(const std::string& path) {
  Source source;
  const auto file = std::make_shared<const store::SafetensorsFile>(path);
  for (const store::TensorEntry& entry : file->entries()) source[entry.name] = tensor_of(file, entry);
  return source;
}

Source open_safetensors(const std::string& directory) {
  Source source;
  const auto files = std::make_shared<const store::SafetensorsDirectory>(directory);
  for (const store::ShardTensor& tensor : files->tensors())
    if (!tensor.entry->name.ends_with("rotary_emb.inv_freq"))
      source[tensor.entry->name] = tensor_of({files, tensor.file}, *tensor.entry);  // a file keeps the directory
  return source;
}

void check_tensors(const std::vector<ParameterInfo>& table, const std::string& said_by, const std::string& where,
                   const Source& source) {
  std::set<std::string> names;
  for (const ParameterInfo& p : table) {
    names.insert(p.name);
    const auto found = source.find(p.name);
    if (found == source.end())
      throw Error(ErrorCode::kInput, base::cat("the weights lack ", p.name, " ", shape_text(p.shape)), where);
    if (found->second.shape != p.shape)
      throw Error(
          ErrorCode::kInput,
          base::cat(p.name, " is ", shape_text(found->second.shape), "; ", said_by, " says ", shape_text(p.shape)),
          found->second.where);
  }
  for (const auto& [name, tensor] : source)
    if (!names.contains(name))
      throw Error(ErrorCode::kInput, base::cat("the weights hold ", name, ", which ", said_by, " does not know"),
                  tensor.where);
}

void check_source(const DecoderConfig& config, const std::string& where, Source& source) {
  if (config.tied) source.erase("lm_head.weight");
  check_tensors(parameter_table(config), "config.json", where, source);
}

void hold_source(const Source& source, const LoadOptions& options, Parameters& parameters) {
  if (options.hold == Hold::kNothing) return;
  if (options.hold == Hold::kReadOnly) {
    parameters.read_only =
        std::make_shared<const DecoderWeights>(read_only_weights(parameters.config, source, options.weights));
    return;
  }
  if (options.weights != WeightType::kAuto)
    throw Error(ErrorCode::kUsage, "weights can be kept in another type only on the CPU, where they are only read",
                "model");
  parameters.flat = read_flat(parameters.config, source);
}

}  // namespace ponder::model
