#include "ponder/model/gguf.h"

#include <cstring>
#include <memory>

#include "ponder/base/error.h"
#include "ponder/base/log.h"
#include "ponder/model/gguf_config.h"
#include "ponder/model/source.h"
#include "ponder/store/gguf_export.h"
#include "ponder/store/gguf_names.h"
#include "ponder/store/quant.h"
#include "ponder/tensor/guard.h"

namespace ponder::model {
namespace {

using store::GgufFile;
using store::GgufTensor;

// vocab is 0 where there is no embedding: what the metadata says of the kind of model is the better message then.
GgufHeader header_of(const GgufFile& file) {
  const GgufTensor *embedding = file.find("token_embd.weight"), *divisors = file.find(store::kGgufRopeDivisors);
  return {file.metadata(), embedding ? embedding->shape[0] : 0, file.find("output.weight") == nullptr,
          divisors ? file.read(*divisors) : std::vector<float>{}};
}

// Weights [first, first + n) as they lie in the file.
void copy_finite_bf16(const GgufFile& file, const GgufTensor& tensor, int64_t first, int64_t n, void* out) {
  if (store::copy_bf16(file.bytes(tensor).data() + 2 * first, out, n)) return;
  std::vector<float> floats(static_cast<size_t>(n));
  file.read(tensor, first, n, floats.data());  // says which one is not
}

// Bits of a type whose blocks are a scale and integers around 0; 0 for other types.
int block_bits(store::GgmlType type) {
  return type == store::GgmlType::kQ4_0   ? 4
         : type == store::GgmlType::kQ5_0 ? 5
         : type == store::GgmlType::kQ8_0 ? 8
                                          : 0;
}

// A file's own blocks of such a type: the same numbers. Null for other types.
tensor::ReadBlocks block_reader(const std::shared_ptr<const GgufFile>& file, const GgufTensor& tensor,
                                const std::function<int64_t(int64_t)>& turn) {
  const int bits = block_bits(tensor.type->type);
  if (bits == 0 || tensor.shape.empty()) return nullptr;
  const int64_t columns = tensor.shape.back(), blocks = columns / 32, block_bytes = tensor.type->block_bytes;
  return [=, &tensor](int64_t row, int8_t* values, uint16_t* scales) {
    const int64_t from = turn(row);
    const char* block = file->bytes(tensor).data() + from * blocks * block_bytes;
    for (int64_t b = 0; b < blocks; ++b, block += block_bytes, values += 32) {
      std::memcpy(scales + b, block, 2);
      if ((scales[b] & 0x7C00) == 0x7C00) {  // not a number, or infinite
        std::vector<float> floats(static_cast<size_t>(columns));
        file->read(tensor, from * columns, columns, floats.data());  // says so, and where
      }
      if (bits == 8) {
        std::memcpy(values, block + 2, 32);
        continue;
      }
      uint32_t fifth = 0;  // bits, of all 32
      if (bits == 5) std::memcpy(&fifth, block + 2, 4);
      const int zero = 1 << (bits - 1);
      for (int i = 0; i < 16; ++i) {
        const auto pair = static_cast<uint8_t>(block[block_bytes - 16 + i]);
        values[i] = static_cast<int8_t>(static_cast<int>((pair & 15) | (fifth >> i & 1) << 4) - zero);
        values[16 + i] = static_cast<int8_t>(static_cast<int>((pair >> 4) | (fifth >> (16 + i) & 1) << 4) - zero);
      }
    }
  };
}

Source open_tensors(const std::shared_ptr<const GgufFile>& file, const DecoderConfig& config) {
  const std::string architecture(file->metadata().string_at("general.architecture"));
  Source source;
  for (const GgufTensor& tensor : file->tensors()) {
    if (tensor.name == store::kGgufRopeDivisors) continue;
    const auto renamed = store::hf_name(architecture, tensor.name);
    if (!renamed)
      throw Error(ErrorCode::kInput, base::cat("holds ", tensor.name, ", which a ", architecture, " has not"),
                  file->path());
    const std::string& name = renamed->name;
    SourceTensor t;
    t.shape = tensor.shape;
    t.where = file->path();
    t.forget = [file, &tensor] { file->forget(tensor); };
    const int64_t columns = t.columns(), head_dim = config.head_dim;
    const bool turned = renamed->change == store::GgufChange::kTurnHeads;
    const float offset = renamed->change == store::GgufChange::kAddOne ? 1 : 0;
    const auto turn = [=](int64_t row) { return turned ? store::unturned_row(row, head_dim) : row; };
    if (tensor.type->type == store::GgmlType::kBf16 && offset == 0) {  // kept as they are
      t.type = tensor::RowType::kBf16;
      t.read = [=, &tensor](int64_t row, void* out) {
        copy_finite_bf16(*file, tensor, turn(row) * columns, columns, out);
      };
      source[name] = std::move(t);
      continue;
    }
    if (offset == 0) t.read_blocks = block_reader(file, tensor, turn), t.block_bits = block_bits(tensor.type->type);
    t.read = [=, &tensor](int64_t row, void* out) {
      auto* values = static_cast<float*>(out);
      file->read(tensor, turn(row) * columns, columns, values);
      if (offset != 0)
        for (int64_t i = 0; i < columns; ++i) values[i] -= offset;
    };
    source[name] = std::move(t);
  }
  return source;
}

}  // namespace

base::Json gguf_config_json(const GgufFile& file) {
  base::Json json = gguf_config_json(header_of(file));
  if (file.at("token_embd.weight").shape.size() != 2)
    throw Error(ErrorCode::kInput, "token_embd.weight must have two dimensions", file.path());
  return json;
}

void save_gguf(const std::string& directory, const std::string& path, store::GgmlType type,
               const store::GgufCheck& check) {
  const DecoderConfig config = read_hf_config(directory);
  const store::GgufModel model = gguf_model(config, base::join_path(directory, "config.json"));
  if (model.architecture == "llama" && config.window > 0 && config.window < config.context)
    base::log_warning(base::cat(path, ": the file says that a layer sees ", config.window,
                                " tokens; llama.cpp does not look at that in a llama, and lets it see all"));
  tensor::guarded("model", [&] {
    Source source = open_safetensors(directory);
    check_source(config, directory, source);
  });
  store::export_gguf(directory, path, type, model, check);
}

LoadedModel load_gguf(const std::string& path, const LoadOptions& options) {
  const auto file = std::make_shared<const GgufFile>(path);
  LoadedModel model;
  DecoderConfig config = from_hf_json(gguf_config_json(*file), path);
  if (!options.compute.empty()) config.compute = options.compute;
  config.resolve();
  model.parameters.config = config;
  tensor::guarded("model", [&] {
    Source source = open_tensors(file, config);
    check_source(config, path, source);
    hold_source(source, options, model.parameters);
  });
  return model;
}

}  // namespace ponder::model
