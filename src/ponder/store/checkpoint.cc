#include "ponder/store/checkpoint.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "ponder/base/error.h"
#include "ponder/base/file.h"
#include "ponder/base/json.h"
#include "ponder/store/xxh64.h"

namespace ponder::store {
namespace {

using base::cat;
using base::join_path;
using base::Json;

constexpr const char* kManifest = "manifest.json";
constexpr const char* kDone = "DONE";
constexpr std::string_view kAside = ".tmp-";

struct ManifestFile {
  std::string name;
  int64_t bytes;
  std::string hash;  // XXH64, 16 hex digits
};

struct Manifest {
  int64_t sequence = 0;
  std::vector<ManifestFile> files;
};

Manifest read_manifest(const std::string& dir) {
  const std::string path = join_path(dir, kManifest);
  const Json json = Json::parse(base::read_file(path), path);
  Manifest manifest;
  manifest.sequence = json.at("sequence").as_int();
  for (const Json& file : json.at("files").as_array())
    manifest.files.push_back({file.at("name").as_string(), file.at("bytes").as_int(), file.at("xxh64").as_string()});
  return manifest;
}

std::string manifest_text(const Manifest& manifest) {
  Json files = Json::array();
  for (const ManifestFile& file : manifest.files)
    files.push_back(Json::Object{{"name", file.name}, {"bytes", file.bytes}, {"xxh64", file.hash}});
  return Json(Json::Object{{"format", 1}, {"sequence", manifest.sequence}, {"files", std::move(files)}}).dump(1) + "\n";
}

// The manifest of a complete checkpoint, nothing for anything else. Sizes are compared and not hashes: this is asked at
// each start for each checkpoint, and a torn write shows in the size or in the missing DONE.
std::optional<Manifest> complete_manifest(const std::string& dir) {
  if (!base::file_exists(join_path(dir, kDone))) return std::nullopt;
  try {
    Manifest manifest = read_manifest(dir);
    for (const ManifestFile& file : manifest.files)
      if (base::file_size(join_path(dir, file.name)) != file.bytes) return std::nullopt;
    return manifest;
  } catch (const Error&) {
    return std::nullopt;
  }
}

// Without DONE it is no checkpoint any more, and under an aside name a removal that is cut short is cleaned up later.
void remove_checkpoint(const std::string& dir) {
  const std::string removed = cat(dir, kAside, "removed");
  base::remove_all(removed);
  base::remove_all(join_path(dir, kDone));
  base::rename_path(dir, removed);
  base::remove_all(removed);
}

int64_t next_sequence(const std::string& checkpoints_dir) {
  const auto checkpoints = list_checkpoints(checkpoints_dir);
  return checkpoints.empty() ? 1 : checkpoints.back().sequence + 1;
}

bool is_aside(const std::string& name) { return name.find(kAside) != std::string::npos; }

}  // namespace

CheckpointWriter::CheckpointWriter(std::string final_dir) : final_dir_(std::move(final_dir)) {
  while (final_dir_.size() > 1 && final_dir_.back() == '/') final_dir_.pop_back();
  if (base::file_exists(final_dir_) && !base::file_exists(join_path(final_dir_, kManifest)) &&
      !(base::is_directory(final_dir_) && base::list_directory(final_dir_).empty()))
    throw Error(ErrorCode::kUsage, "exists and is no checkpoint; remove it or choose another directory", final_dir_);
  aside_ = cat(final_dir_, kAside, ::getpid());
  base::remove_all(aside_);
  base::make_directories(aside_);
}

CheckpointWriter::~CheckpointWriter() {
  if (!owns_aside_) return;
  try {
    base::remove_all(aside_);
  } catch (const Error&) {
    // clean_interrupted removes it at the next start
  }
}

std::string CheckpointWriter::path(std::string_view name) const {
  PONDER_CHECK(!name.empty() && name.find('/') == std::string_view::npos && name != kManifest && name != kDone,
               "not a name for a file of a checkpoint: ", name);
  return join_path(aside_, name);
}

void CheckpointWriter::write_text(std::string_view name, std::string_view text) {
  base::FileWriter file(path(name));
  file.write(text);
  file.close(false);  // commit() syncs all files
}

void CheckpointWriter::commit() {
  PONDER_CHECK(owns_aside_, "a checkpoint is committed once: ", final_dir_);
  Manifest manifest;
  for (const std::string& name : base::list_directory(aside_)) {
    const std::string file = join_path(aside_, name);
    base::sync_file(file);
    manifest.files.push_back({name, base::file_size(file), file_hash(file)});
  }
  manifest.sequence = next_sequence(base::parent_path(final_dir_));
  base::write_file_atomic(join_path(aside_, kManifest), manifest_text(manifest));  // syncs the directory too
  base::write_file_atomic(join_path(aside_, kDone), "");
  if (base::file_exists(final_dir_)) {
    // From here until the rename the new checkpoint is the only one under this name: whatever fails now, it stays, and
    // clean_interrupted puts it in its place.
    owns_aside_ = false;
    remove_checkpoint(final_dir_);
  }
  base::rename_path(aside_, final_dir_);
  owns_aside_ = false;
  base::sync_directory(base::parent_path(final_dir_));
}

std::vector<CheckpointInfo> list_checkpoints(const std::string& checkpoints_dir) {
  std::vector<CheckpointInfo> found;
  if (!base::is_directory(checkpoints_dir)) return found;
  for (const std::string& name : base::list_directory(checkpoints_dir)) {
    if (is_aside(name)) continue;
    const std::string dir = join_path(checkpoints_dir, name);
    if (const auto manifest = complete_manifest(dir)) found.push_back({dir, manifest->sequence});
  }
  std::stable_sort(found.begin(), found.end(),
                   [](const CheckpointInfo& a, const CheckpointInfo& b) { return a.sequence < b.sequence; });
  return found;
}

std::optional<std::string> latest_checkpoint(const std::string& checkpoints_dir) {
  const auto checkpoints = list_checkpoints(checkpoints_dir);
  if (checkpoints.empty()) return std::nullopt;
  return checkpoints.back().path;
}

void verify_checkpoint(const std::string& dir) {
  if (!base::file_exists(join_path(dir, kDone)))
    throw Error(ErrorCode::kInput, "is no complete checkpoint: the file DONE is missing", dir);
  for (const ManifestFile& file : read_manifest(dir).files) {
    const std::string path = join_path(dir, file.name);
    if (const int64_t bytes = base::file_size(path); bytes != file.bytes)
      throw Error(ErrorCode::kInput, cat("has ", bytes, " bytes; the manifest says ", file.bytes), path);
    if (const std::string hash = file_hash(path); hash != file.hash)
      throw Error(ErrorCode::kInput, cat("has changed: XXH64 is ", hash, "; the manifest says ", file.hash), path);
  }
}

void clean_interrupted(const std::string& checkpoints_dir) {
  if (!base::is_directory(checkpoints_dir)) return;
  for (const std::string& name : base::list_directory(checkpoints_dir)) {
    const std::string dir = join_path(checkpoints_dir, name);
    if (!is_aside(name)) {
      // A manifest without DONE: a removal that was cut short before its rename.
      if (base::file_exists(join_path(dir, kManifest)) && !base::file_exists(join_path(dir, kDone)))
        base::remove_all(dir);
      continue;
    }
    if (complete_manifest(dir)) {
      const std::string final_dir = join_path(checkpoints_dir, name.substr(0, name.find(kAside)));
      if (base::file_exists(final_dir)) remove_checkpoint(final_dir);
      base::rename_path(dir, final_dir);
    } else {
      base::remove_all(dir);
    }
  }
  base::sync_directory(checkpoints_dir);
}

void prune_checkpoints(const std::string& checkpoints_dir, int64_t keep_last, const std::vector<std::string>& keep) {
  const auto checkpoints = list_checkpoints(checkpoints_dir);
  const auto kept = static_cast<size_t>(std::max<int64_t>(keep_last, 1));
  for (size_t i = 0; i + kept < checkpoints.size(); ++i)
    if (std::find(keep.begin(), keep.end(), checkpoints[i].path) == keep.end()) remove_checkpoint(checkpoints[i].path);
}

}  // namespace ponder::store
