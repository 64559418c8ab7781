// ponder convert: a model in another file format or number format.
#include <cstdio>

#include "ponder/base/error.h"
#include "ponder/base/file.h"
#include "ponder/base/json.h"
#include "ponder/recipes/commands.h"
#include "ponder/recipes/open_model.h"
#include "ponder/store/convert.h"
#include "ponder/store/gguf.h"
#include "ponder/store/gguf_export.h"

namespace ponder::recipes {
namespace {

bool is_gguf(const std::string& path) { return path.ends_with(".gguf"); }

// "q8_0" -> Q8_0; the source's own where none is named.
const store::GgmlTypeInfo& type_of(const std::string& dtype, const std::string& of_source) {
  if (dtype.empty()) return *store::find_ggml_type(of_source);
  for (const auto& [name, type] :
       {std::pair("f32", store::GgmlType::kF32), std::pair("f16", store::GgmlType::kF16),
        std::pair("bf16", store::GgmlType::kBf16), std::pair("q8_0", store::GgmlType::kQ8_0)})
    if (dtype == name) return store::info_of(type);
  throw Error(ErrorCode::kUsage, base::cat("\"", dtype, "\" is none of f32, f16, bf16, q8_0"), "--dtype");
}

// A new directory appears under its name when it is complete.
void convert_to_directory(const std::string& from, const std::string& to, const std::string& dtype) {
  if (base::file_exists(to) || base::is_directory(to))
    throw Error(ErrorCode::kUsage, "is there already; name a directory that is not", to);
  const std::string aside = to + ".tmp";
  base::remove_all(aside);
  base::make_directories(aside);
  try {
    store::convert_directory(from, aside, dtype);
    base::rename_path(aside, to);
  } catch (...) {
    base::remove_all(aside);
    throw;
  }
}

}  // namespace

int command_convert(const ConvertArgs& args) {
  const bool from_gguf = is_gguf(args.from), to_gguf = is_gguf(args.to);
  const store::GgmlTypeInfo* type = nullptr;
  if (to_gguf) base::check_output_file(args.to);
  if (from_gguf) {
    if (!to_gguf)
      throw Error(ErrorCode::kUsage, "a GGUF file becomes another GGUF file; name one that ends in .gguf", "--to");
    const store::GgufFile file(args.from);
    type = &type_of(args.dtype, store::main_type(file));
    store::convert_gguf(file, args.to, type->type);
  } else {
    const std::string directory = policy_directory(args.from);
    type = &type_of(args.dtype, store::main_type(directory));
    if (to_gguf) {
      store::export_gguf(directory, args.to, type->type);
    } else if (type->block_weights != 1) {
      throw Error(ErrorCode::kUsage, "a directory of safetensors holds f32, f16 or bf16", "--dtype");
    } else {
      convert_to_directory(directory, args.to, type->name);
    }
  }
  base::Json json = base::Json::object();
  json["from"] = args.from, json["to"] = args.to, json["dtype"] = type->name;
  if (args.json)
    std::printf("%s\n", json.dump().c_str());
  else
    std::printf("%s: %s\n", args.to.c_str(), type->name);
  return 0;
}

}  // namespace ponder::recipes
