// The model that a GGUF file of any bytes says it is: its configuration, which can be counted and is the same when it
// has been written and read again, and its vocabulary, which is a tokenizer for any text and can be written as
// tokenizer.json. Whatever is wrong with it is an Error.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ponder/base/error.h"
#include "ponder/model/config.h"
#include "ponder/model/gguf_config.h"
#include "ponder/recipes/gguf_vocabulary.h"
#include "ponder/store/gguf.h"
#include "ponder/store/gguf_names.h"
#include "ponder/tensor/gemm.h"
#include "ponder/text/gguf_tokenizer_json.h"
#include "ponder/text/tokenizer_json.h"

using namespace ponder;

// All that a configuration asks of the room tensor, which is not built here: "auto" computes in f32.
bool ponder::tensor::has_fast_bf16() { return false; }

namespace {

void want(bool holds) {
  if (!holds) __builtin_trap();
}

template <class F>
void may_fail(F&& work) {
  try {
    work();
  } catch (const Error& e) {
    want(e.code() == ErrorCode::kInput);
  }
}

model::GgufHeader header_of(const store::GgufLayout& layout) {
  model::GgufHeader header{layout.metadata, 64, true, {}};
  for (const store::GgufTensor& tensor : layout.tensors) {
    if (tensor.name == "token_embd.weight") header.vocab = tensor.shape[0];
    if (tensor.name == "output.weight") header.tied = false;
    if (tensor.name != store::kGgufRopeDivisors || !tensor.type->can_read) continue;
    header.rope_divisors.resize(static_cast<size_t>(tensor.weights));
    store::dequantize(tensor.type->type, layout.data.substr(tensor.offset).data(), header.rope_divisors.data(),
                      tensor.weights);
    // A file's reader refuses these.
    if (!store::is_finite(header.rope_divisors.data(), tensor.weights)) header.rope_divisors.clear();
  }
  return header;
}

void read_config(const store::GgufLayout& layout) {
  const model::DecoderConfig config = model::from_hf_json(model::gguf_config_json(header_of(layout)), "input");
  want(config.parameter_count() > 0);
  want(std::isfinite(model::forward_flops(config, static_cast<double>(config.context))));
  for (const int64_t id : config.eos_ids) want(id >= 0 && id < config.vocab);
  want(model::from_hf_json(model::to_hf_json(config), "again") == config);
  const store::GgufModel model = model::gguf_model(config, "input");  // throws what is not read back as it was written
  want(model.vocab == config.vocab && model.head_dim == config.head_dim && model.tied == config.tied);
}

void read_vocabulary(const store::GgufLayout& layout) {
  const text::GgufVocabulary vocabulary = recipes::gguf_vocabulary(layout.metadata);
  const auto tokenizer = text::make_gguf_tokenizer(vocabulary, "input");
  const std::string text = "ab a b\n<s>  1 \xC3\xA9";
  may_fail([&] {  // a character without a token
    const core::Tokens ids = tokenizer->encode(text, {true, true});
    for (const core::Token id : ids) want(tokenizer->has(id));
    (void)tokenizer->decode_text(ids, false);
  });
  const std::string json = text::gguf_tokenizer_json(vocabulary, "input");
  base::Json::parse(text::gguf_tokenizer_config(vocabulary, ""), "config");
  may_fail([&] { text::read_tokenizer_json(json, "json"); });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  may_fail([&] {
    const store::GgufLayout layout = store::read_gguf_layout({reinterpret_cast<const char*>(data), size}, "input");
    may_fail([&] { read_config(layout); });
    may_fail([&] { read_vocabulary(layout); });
  });
  return 0;
}
