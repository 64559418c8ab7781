#include "ponder/model/families.h"

#include "ponder/base/error.h"

namespace ponder::model {

const std::vector<Family>& all_families() {
  static const std::vector<Family> families = {llama_family(), mistral_family(), qwen2_family(), qwen3_family(),
                                               gemma3_family()};
  return families;
}

std::string family_names() {
  std::string names;
  for (const Family& family : all_families()) names += base::cat(names.empty() ? "" : ", ", family.name);
  return names;
}

const Family& find_family(const std::string& name) {
  for (const Family& family : all_families())
    if (name == family.name) return family;
  throw Error(ErrorCode::kUsage, base::cat("unknown family \"", name, "\"; valid: ", family_names()), "model");
}

}  // namespace ponder::model
