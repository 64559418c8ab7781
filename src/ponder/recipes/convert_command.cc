// ponder convert: a model in another file format or number format.
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <functional>

#include "ponder/base/error.h"
#include "ponder/base/file.h"
#include "ponder/base/json.h"
#include "ponder/base/log.h"
#include "ponder/model/gguf.h"
#include "ponder/model/load.h"
#include "ponder/recipes/adapter_base.h"
#include "ponder/recipes/commands.h"
#include "ponder/recipes/open_model.h"
#include "ponder/recipes/start.h"
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

void check_directory_type(const store::GgmlTypeInfo& type) {
  if (type.block_weights != 1)
    throw Error(ErrorCode::kUsage, "a directory of safetensors holds f32, f16 or bf16", "--dtype");
}

// What killed conversions to the same place have left there.
void remove_left_behind(const std::string& to) {
  const std::filesystem::path path(to);
  const std::string folder = path.has_parent_path() ? path.parent_path().string() : ".";
  const std::string prefix = base::cat(path.filename().string(), ".tmp-");
  if (!base::is_directory(folder)) return;
  for (const std::string& name : base::list_directory(folder)) {
    if (!name.starts_with(prefix)) continue;
    const std::string process = name.substr(prefix.size());
    const bool is_process = !process.empty() && process.find_first_not_of("0123456789") == std::string::npos;
    if (is_process && process.size() < 10 && ::kill(std::stoi(process), 0) != 0 && errno == ESRCH)
      base::remove_all(base::join_path(folder, name));
  }
}

// A directory of this process alone, beside the result. Removed at the end; after a kill the next conversion does it.
std::string make_aside(const std::string& to) {
  remove_left_behind(to);
  const std::string aside = base::cat(to, ".tmp-", ::getpid());
  if (base::file_exists(aside) || base::is_directory(aside))
    throw Error(ErrorCode::kUsage, "is in the way; remove it if nobody needs it", aside);
  base::make_directories(aside);
  return aside;
}

void check_is_new(const std::string& to) {
  if (base::file_exists(to) || base::is_directory(to))
    throw Error(ErrorCode::kUsage, "is there already; name a directory that is not", to);
}

// A new directory, filled by `fill`, appears under its name when it is complete.
void make_directory(const std::string& to, const std::function<void(const std::string& aside)>& fill) {
  check_is_new(to);
  const std::string aside = make_aside(to);
  try {
    fill(aside);
    base::rename_path(aside, to);
  } catch (...) {
    base::remove_all(aside);
    throw;
  }
}

void copy_tokenizer(const std::string& from, const std::string& to) {
  for (const auto& [name, bytes] : tokenizer_files(from)) base::write_file_atomic(base::join_path(to, name), bytes);
}

// config.json, the weights, and the tokenizer where the file has one.
void write_gguf_as_directory(const store::GgufFile& file, const std::string& to, const std::string& dtype) {
  base::Json config = model::gguf_config_json(file);
  config["torch_dtype"] = dtype == "BF16" ? "bfloat16" : dtype == "F16" ? "float16" : "float32";
  base::write_file_atomic(base::join_path(to, "config.json"), config.dump(2) + "\n");
  store::export_safetensors(file, base::join_path(to, "model.safetensors"), dtype);
  copy_tokenizer(file.path(), to);
}

// The name of the number format that was written.
const char* convert_files(const ConvertArgs& args) {
  const bool from_gguf = is_gguf(args.from), to_gguf = is_gguf(args.to);
  const store::GgmlTypeInfo* type = nullptr;
  if (to_gguf) base::check_output_file(args.to);
  if (from_gguf) {
    const store::GgufFile file(args.from);
    type = &type_of(args.dtype, store::main_type(file));
    if (to_gguf) {
      store::convert_gguf(file, args.to, type->type);
    } else {
      if (args.dtype.empty() && type->block_weights != 1) type = &store::info_of(store::GgmlType::kF32);
      check_directory_type(*type);
      make_directory(args.to, [&](const std::string& aside) { write_gguf_as_directory(file, aside, type->name); });
    }
  } else {
    const std::string directory = policy_directory(args.from);
    type = &type_of(args.dtype, store::main_type(directory));
    if (to_gguf) {
      store::export_gguf(directory, args.to, type->type);
    } else {
      check_directory_type(*type);
      make_directory(args.to,
                     [&](const std::string& aside) { store::convert_directory(directory, aside, type->name); });
    }
  }
  return type->name;
}

// The model with its adapters merged (its own, and one that is named), in f32, in a directory beside the result; from
// there as any directory.
const char* convert_merged(const ConvertArgs& args) {
  const store::GgmlTypeInfo& wanted = type_of(args.dtype, "F32");  // refused before the model is opened
  if (!is_gguf(args.to)) check_directory_type(wanted);
  if (is_gguf(args.to))
    base::check_output_file(args.to);
  else
    check_is_new(args.to);
  const std::string aside = make_aside(args.to + ".merged");
  try {
    {
      model::Parameters model = load_trainable(args.from).parameters;
      if (!args.adapter.empty()) {
        const AdapterBase base{is_gguf_file(args.from) ? args.from : policy_directory(args.from)};
        model.adapter = open_adapter(adapter_directory(args.adapter), base, model.config);
        model = model::merge_adapter(std::move(model));
      }
      model::save_hf(aside, model, "");
    }
    copy_tokenizer(args.from, aside);
    ConvertArgs merged = args;
    merged.from = aside;
    const char* type = convert_files(merged);
    base::remove_all(aside);
    return type;
  } catch (...) {
    base::remove_all(aside);
    throw;
  }
}

}  // namespace

int command_convert(const ConvertArgs& given) {
  ConvertArgs args = given;
  while (args.to.size() > 1 && args.to.ends_with('/')) args.to.pop_back();
  const bool merges = !args.adapter.empty() || (!is_gguf(args.from) && is_adapter_model(args.from));
  const char* type = merges ? convert_merged(args) : convert_files(args);
  base::Json json = base::Json::object();
  json["from"] = args.from, json["to"] = args.to, json["dtype"] = type;
  if (args.json)
    std::printf("%s\n", json.dump().c_str());
  else
    std::printf("%s: %s\n", args.to.c_str(), type);
  return 0;
}

}  // namespace ponder::recipes
