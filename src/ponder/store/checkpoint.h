// Checkpoints as commits. A checkpoint is a plain Hugging Face model directory with state files beside the weights; it
// is written aside, hashed, synced, marked DONE and renamed, so that it is there whole or not at all. Called by
// recipes.
//
//   checkpoints/rl-000040/{config.json, model.safetensors, optimizer.safetensors, state.json, …, manifest.json, DONE}
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ponder::store {

class CheckpointWriter {
 public:
  // Makes a directory beside final_dir. Error(kUsage) when final_dir holds something that is no checkpoint.
  explicit CheckpointWriter(std::string final_dir);
  ~CheckpointWriter();  // without commit() nothing is left
  CheckpointWriter(const CheckpointWriter&) = delete;
  CheckpointWriter& operator=(const CheckpointWriter&) = delete;
  std::string path(std::string_view name) const;  // where to write the file that will be final_dir/name
  void write_text(std::string_view name, std::string_view text);
  // Replaces an older checkpoint in final_dir, which stays good until then.
  void commit();

 private:
  std::string final_dir_, aside_;
  bool owns_aside_ = true;  // false once it is committed or is the only good copy
};

struct CheckpointInfo {
  std::string path;
  int64_t sequence = 0;  // grows with each commit into one directory: newest without asking a clock
};

// Complete checkpoints, oldest first: marked DONE and every file of the manifest there at its full size.
std::vector<CheckpointInfo> list_checkpoints(const std::string& checkpoints_dir);
std::optional<std::string> latest_checkpoint(const std::string& checkpoints_dir);

// Reads every byte again. Error(kInput) names the first file that is missing, cut or changed.
void verify_checkpoint(const std::string& dir);

// After a crash, before latest_checkpoint: finishes commits that lacked only their rename, removes what is incomplete.
// Only directories that a CheckpointWriter made are touched.
void clean_interrupted(const std::string& checkpoints_dir);

// Removes all complete checkpoints but the newest `keep_last` (at least 1) and those named in `keep`.
void prune_checkpoints(const std::string& checkpoints_dir, int64_t keep_last,
                       const std::vector<std::string>& keep = {});

}  // namespace ponder::store
