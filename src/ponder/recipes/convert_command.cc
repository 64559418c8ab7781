// ponder convert: a model in another file format or number format.
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

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
#include "ponder/recipes/gguf_vocabulary.h"
#include "ponder/recipes/open_model.h"
#include "ponder/recipes/open_tokenizer.h"
#include "ponder/recipes/start.h"
#include "ponder/store/convert.h"
#include "ponder/store/gguf.h"
#include "ponder/store/gguf_export.h"
#include "ponder/text/same_ids.h"
#include "ponder/text/unicode.h"

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

// A directory beside the result in which it is put together. Its mark is locked as long as this process lives, so that
// the next conversion to the same place knows what a killed one has left, and touches nothing else.
class Aside {
 public:
  explicit Aside(const std::string& to) : path_(base::cat(to, ".tmp-", ::getpid())) {
    remove_left_behind(to);
    if (base::file_exists(path_) || base::is_directory(path_))
      throw Error(ErrorCode::kUsage, "is in the way; remove it if nobody needs it", path_);
    base::make_directories(path_);
    mark_ = ::open(mark_of(path_).c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0644);
    if (mark_ >= 0) ::flock(mark_, LOCK_EX | LOCK_NB);
  }
  ~Aside() {
    if (mark_ >= 0) ::close(mark_);
    try {
      if (base::is_directory(path_)) base::remove_all(path_);
    } catch (const Error&) {  // the next conversion tries again
    }
  }
  Aside(const Aside&) = delete;
  Aside& operator=(const Aside&) = delete;
  const std::string& path() const { return path_; }
  // It is complete, and gets its name.
  void move_to(const std::string& to) {
    base::remove_all(mark_of(path_));
    base::rename_path(path_, to);
  }

 private:
  static std::string mark_of(const std::string& path) { return base::join_path(path, ".ponder-convert"); }

  static void remove_left_behind(const std::string& to) {
    const std::filesystem::path path(to);
    const std::string folder = path.has_parent_path() ? path.parent_path().string() : ".";
    const std::string prefix = base::cat(path.filename().string(), ".tmp-");
    if (!base::is_directory(folder)) return;
    for (const std::string& name : base::list_directory(folder)) {
      const std::string left = base::join_path(folder, name);
      if (!name.starts_with(prefix) || !base::file_exists(mark_of(left))) continue;
      const int mark = ::open(mark_of(left).c_str(), O_RDWR | O_CLOEXEC);
      const bool is_free = mark >= 0 && ::flock(mark, LOCK_EX | LOCK_NB) == 0;
      try {
        if (is_free) base::remove_all(left);
      } catch (const Error& e) {
        base::log_warning(base::cat("cannot remove what a stopped conversion left: ", e.what()));
      }
      if (mark >= 0) ::close(mark);
    }
  }

  std::string path_;
  int mark_ = -1;
};

void check_is_new(const std::string& to) {
  if (base::file_exists(to) || base::is_directory(to))
    throw Error(ErrorCode::kUsage, "is there already; name a directory that is not", to);
}

// A new directory, filled by `fill`, appears under its name when it is complete.
void make_directory(const std::string& to, const std::function<void(const std::string& aside)>& fill) {
  check_is_new(to);
  Aside aside(to);
  fill(aside.path());
  aside.move_to(to);
}

void copy_tokenizer(const std::string& from, const std::string& to) {
  for (const auto& [name, bytes] : tokenizer_files(from)) base::write_file_atomic(base::join_path(to, name), bytes);
}

// Chat templates with names lie in files, and the one without a name beside them then.
void write_named_templates(const store::GgufMetadata& metadata, const std::string& to) {
  constexpr const char *kNames = "tokenizer.chat_templates", *kTemplate = "tokenizer.chat_template";
  if (!metadata.has(kNames)) return;
  const auto write = [&](const std::string& file, const std::string& key) {
    base::write_file_atomic(base::join_path(to, file), std::string(metadata.string_at(key)));
  };
  if (metadata.has(kTemplate)) write("chat_template.jinja", kTemplate);
  const std::string folder = "additional_chat_templates";
  base::make_directories(base::join_path(to, folder));
  for (const std::string_view name : metadata.strings_at(kNames)) {
    if (name.empty() || name.starts_with('.') || name.find('/') != std::string_view::npos)
      throw Error(ErrorCode::kInput, base::cat(kNames, ": \"", name, "\" is no name of a file"), metadata.where());
    write(base::cat(folder, "/", name, ".jinja"), base::cat(kTemplate, ".", name));
  }
}

// config.json, the weights, and the tokenizer where the file has one.
void write_gguf_as_directory(const store::GgufFile& file, const std::string& to, const std::string& dtype) {
  base::Json config = model::to_hf_json(model::from_hf_json(model::gguf_config_json(file), file.path()));
  config["torch_dtype"] = dtype == "BF16" ? "bfloat16" : dtype == "F16" ? "float16" : "float32";
  base::write_file_atomic(base::join_path(to, "config.json"), config.dump(2) + "\n");
  store::export_safetensors(file, base::join_path(to, "model.safetensors"), dtype);
  copy_tokenizer(file.path(), to);
  write_named_templates(file.metadata(), to);
}

std::string list_of(const core::Tokens& ids) {
  constexpr size_t kShown = 16;
  std::string out = "[";
  for (size_t i = 0; i < ids.size() && i < kShown; ++i) base::append(out, base::cat(i ? ", " : "", ids[i]));
  return out + (ids.size() > kShown ? ", …]" : "]");
}

// The tokenizer that a reader of the file will make is the directory's own.
void check_tokenizer(const std::string& directory, const store::GgufMetadata& metadata) {
  if (metadata.string_at("tokenizer.ggml.model") == "none") return;
  const auto own = open_tokenizer(directory);
  const auto of_file = text::make_gguf_tokenizer(gguf_vocabulary(metadata), metadata.where());
  if (const auto found = text::find_difference(*own, *of_file))
    throw Error(ErrorCode::kInput,
                base::cat("gives ", base::Json(text::replace_invalid_utf8(found->text)).dump(), " the ids ",
                          list_of(found->ids), ", as a GGUF file it would give ", list_of(found->other),
                          "; GGUF has no words for all that this tokenizer does"),
                base::join_path(directory, "tokenizer.json"));
}

struct Written {
  const char* dtype;
  bool exact;  // no weight was rounded
};

Written convert_files(const ConvertArgs& args) {
  const bool from_gguf = is_gguf(args.from), to_gguf = is_gguf(args.to);
  const store::GgmlTypeInfo* type = nullptr;
  bool exact = false;
  if (to_gguf) base::check_output_file(args.to);
  if (from_gguf) {
    const store::GgufFile file(args.from);
    type = &type_of(args.dtype, store::main_type(file));
    // A directory holds no blocks.
    if (!to_gguf && args.dtype.empty() && type->block_weights != 1) type = &store::info_of(store::GgmlType::kF32);
    exact = store::keeps_weights(file, *type, to_gguf);
    if (to_gguf) {
      store::convert_gguf(file, args.to, type->type);
    } else {
      check_directory_type(*type);
      make_directory(args.to, [&](const std::string& aside) { write_gguf_as_directory(file, aside, type->name); });
    }
  } else {
    const std::string directory = policy_directory(args.from);
    type = &type_of(args.dtype, store::main_type(directory));
    exact = store::keeps_weights(directory, *type, to_gguf);
    if (to_gguf) {
      model::save_gguf(directory, args.to, type->type,
                       [&](const store::GgufMetadata& metadata) { check_tokenizer(directory, metadata); });
    } else {
      check_directory_type(*type);
      make_directory(args.to,
                     [&](const std::string& aside) { store::convert_directory(directory, aside, type->name); });
    }
  }
  return {type->name, exact};
}

// The model with its adapters merged (its own, and one that is named), in f32, in a directory beside the result; from
// there as any directory.
Written convert_merged(const ConvertArgs& args) {
  const store::GgmlTypeInfo& wanted = type_of(args.dtype, "F32");  // refused before the model is opened
  if (!is_gguf(args.to)) check_directory_type(wanted);
  if (is_gguf(args.to))
    base::check_output_file(args.to);
  else
    check_is_new(args.to);
  const Aside aside(args.to + ".merged");
  {
    model::Parameters model = load_trainable(args.from).parameters;
    if (!args.adapter.empty()) {
      const AdapterBase base{is_gguf_file(args.from) ? args.from : policy_directory(args.from)};
      model.adapter = open_adapter(adapter_directory(args.adapter), base, model.config);
      model = model::merge_adapter(std::move(model));
    }
    model::save_hf(aside.path(), model, "");
  }
  copy_tokenizer(args.from, aside.path());
  ConvertArgs merged = args;
  merged.from = aside.path();
  return convert_files(merged);
}

}  // namespace

int command_convert(const ConvertArgs& given) {
  ConvertArgs args = given;
  while (args.to.size() > 1 && args.to.ends_with('/')) args.to.pop_back();
  const bool merges = !args.adapter.empty() || (!is_gguf(args.from) && is_adapter_model(args.from));
  const Written written = merges ? convert_merged(args) : convert_files(args);
  base::Json json = base::Json::object();
  json["from"] = args.from, json["to"] = args.to, json["dtype"] = written.dtype;
  json["exact"] = written.exact;
  if (args.json)
    std::printf("%s\n", json.dump().c_str());
  else
    std::printf("%s: %s%s\n", args.to.c_str(), written.dtype,
                written.exact ? "" : " (weights of other types are rounded; --dtype f32 keeps them)");
  return 0;
}

}  // namespace ponder::recipes
