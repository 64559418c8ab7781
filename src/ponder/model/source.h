// The tensors of a model's files under their Hugging Face names, read row by row where they lie: mapped files, whose
// pages are given back when they have been read. For load.cc.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "ponder/model/load.h"

namespace ponder::model {

struct SourceTensor {
  std::vector<int64_t> shape;
  tensor::RowType type = tensor::RowType::kF32;      // of what read() writes
  std::function<void(int64_t row, void* out)> read;  // a row of the last dimension; thread-safe, keeps the file mapped
  int block_bits = 0;                                // of the file's own blocks, where they fit into those of products:
  tensor::ReadBlocks read_blocks;                    // 4 to 8; otherwise 0 and null
  std::function<void()> forget;                      // its pages may leave memory; read() brings them back
  std::string where;                                 // the file
  int64_t columns() const { return shape.empty() ? 1 : shape.back(); }
  int64_t rows() const;
};
void read_floats(const SourceTensor& tensor, int64_t row, float* out);

using Source = std::map<std::string, SourceTensor>;

// model.safetensors, or the files that model.safetensors.index.json names (store/shards.h). F32, F16 and BF16;
// Error(kInput) names file and tensor of another kind, and when it is read, of a weight that is NaN or infinite.
Source open_safetensors(const std::string& directory);

// One such file, whatever it holds.
Source open_safetensors_file(const std::string& path);

// Every tensor of the table must be there in its shape and nothing else; `said_by` names what says so in messages.
void check_tensors(const std::vector<ParameterInfo>& table, const std::string& said_by, const std::string& where,
                   const Source& source);

// Leaves out what other programs keep in files and this decoder works out itself; then every tensor of the
// configuration must be there in its shape and nothing else. Error(kInput) names the first that is not.
void check_source(const DecoderConfig& config, const std::string& where, Source& source);

// Fills parameters (whose config is set) from a checked source: a new flat buffer, weights that are only read, or
// nothing. Every weight is read once, so Error(kInput) names one that is NaN or infinite.
// Error(kUsage) for a type of weights that cannot be trained.
void hold_source(const Source& source, const LoadOptions& options, Parameters& parameters);

}  // namespace ponder::model
