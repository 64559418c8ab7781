#include "ponder/text/open_tokenizer.h"

#include "ponder/base/error.h"
#include "ponder/base/file.h"
#include "ponder/text/tokenizer_json.h"

namespace ponder::text {

std::unique_ptr<Tokenizer> open_tokenizer(const std::string& directory) {
  const std::string path = base::join_path(directory, "tokenizer.json");
  const std::string config = base::join_path(directory, "tokenizer_config.json");
  if (!base::file_exists(path))
    throw Error(ErrorCode::kInput, "there is no tokenizer.json; the tokenizer of a model stands beside its weights",
                directory);
  return read_tokenizer_json(base::read_file(path), path, base::file_exists(config) ? base::read_file(config) : "",
                             config);
}

}  // namespace ponder::text
