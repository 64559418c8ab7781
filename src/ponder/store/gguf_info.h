// What a GGUF file is, as one JSON object: behind the command info.
#pragma once
#include "ponder/base/json.h"
#include "ponder/store/gguf.h"

namespace ponder::store {

// {"family","name","parameters","context","vocab","layers","width","heads","kv_heads","ffn","tied","types":{TYPE:
// {"tensors","weights","bytes"}},"tokenizer":{…},"metadata":{KEY: value},"version","parts","path"}. Long strings and
// lists of the metadata are shortened; what the file does not say is null.
base::Json describe_gguf(const GgufFile& file);

}  // namespace ponder::store
