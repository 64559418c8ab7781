#include "ponder/model/config.h"

#include <algorithm>

#include "ponder/base/error.h"
#include "ponder/model/families.h"

namespace ponder::model {
namespace {

[[noreturn]] void bad(const std::string& message) { throw Error(ErrorCode::kUsage, message, "model"); }

void check_multiple(const char* name, int64_t value, int64_t of) {
  if (value < of || value % of != 0)
    bad(base::cat(name, " = ", value, " is not a positive multiple of ", of, "; the nearest is ",
                  std::max(of, (value + of / 2) / of * of)));
}

// Far beyond every published model, and near enough that no product of these overflows.
void check_range(const char* name, int64_t value, int64_t least, int64_t most) {
  if (value < least || value > most) bad(base::cat(name, " = ", value, "; it must be ", least, " … ", most));
}

void check_stretch(const tensor::Rotary& r, int64_t head_dim) {
  if (!(r.theta >= 1)) bad(base::cat("rope_theta = ", r.theta, "; it must be at least 1"));
  if (!(r.factor >= 1)) bad(base::cat("the rope's factor = ", r.factor, "; it must be at least 1"));
  if (!(r.length > 0 && r.length <= 1000))
    bad(base::cat("the rope's attention_factor = ", r.length, "; it must be above 0 and at most 1000"));
  if (r.scaling == tensor::RotaryScaling::kNone || r.scaling == tensor::RotaryScaling::kLinear) return;
  check_range("the rope's original context", r.original_context, 1, 1 << 30);
  if (r.scaling == tensor::RotaryScaling::kDivisors) {
    if (static_cast<int64_t>(r.divisors.size()) != head_dim / 2)
      bad(base::cat("the rope has ", r.divisors.size(), " factors; heads of ", head_dim, " have ", head_dim / 2,
                    " pairs"));
    for (const float d : r.divisors)
      if (!(d > 0 && d <= 1e9f)) bad(base::cat("a factor of the rope is ", d, "; it must be above 0 and at most 1e9"));
    return;
  }
  if (!(r.slow > 0 && r.slow < r.fast)) bad("the rope's slow bound must be above 0 and below its fast one");
  if (r.scaling == tensor::RotaryScaling::kYarn && r.theta <= 1) bad("a yarn rope needs rope_theta above 1");
}

}  // namespace

void DecoderConfig::fields(base::Fields& f) {
  f.field("family", family, {.help = "kind of decoder", .choices = {"llama"}});
  f.field("width", width, {.min = 16, .help = "size of the hidden state; a multiple of 16"});
  f.field("layers", layers, {.min = 1, .help = "decoder layers"});
  f.field("heads", heads, {.min = 1, .help = "query heads"});
  f.field("kv_heads", kv_heads, {.min = 0, .help = "key/value heads; 0 = as many as query heads"});
  f.field("head_dim", head_dim, {.min = 0, .help = "size of a head, a multiple of 16; 0 = width / heads"});
  f.field("ffn", ffn, {.min = 16, .help = "size of the feed-forward layer; a multiple of 16"});
  f.field("context", context, {.min = 2, .unit = "tokens", .help = "prompt and completion together"});
  f.field("rope_theta", rope_theta, {.min = 1, .help = "base of the rotary positions"});
  f.field("norm_eps", norm_eps, {.min = 0, .max = 1, .help = "added under the root of RMSNorm"});
  f.field("tied", tied, {.help = "the output head is the embedding"});
  f.field(
      "compute", compute,
      {.help = "matrix products on the CPU: f32, or bf16 inputs summed in f32; auto = bf16 where the processor has it",
       .choices = {"auto", "f32", "bf16"}});
}

void DecoderConfig::resolve() {
  find_family(family);
  if (layers < 1 || heads < 1 || context < 2) bad("layers and heads must be at least 1 and context at least 2");
  if (vocab < 1) bad("the vocabulary is empty; a tokenizer must give its size");
  check_range("layers", layers, 1, 1024), check_range("heads", heads, 1, 1024);
  check_range("vocab", vocab, 1, 1 << 24), check_range("context", context, 2, 1 << 30);
  check_range("width", width, 1, 1 << 16), check_range("ffn", ffn, 1, 1 << 20);
  check_range("kv_heads", kv_heads, 0, heads), check_range("head_dim", head_dim, 0, 1024);
  check_multiple("width", width, 16);
  check_multiple("ffn", ffn, 16);
  if (kv_heads == 0) kv_heads = heads;
  if (heads % kv_heads != 0)
    bad(base::cat("heads = ", heads, " is not a multiple of kv_heads = ", kv_heads,
                  "; each key/value head serves equally many"));
  if (head_dim == 0) {
    if (width % heads != 0 || width / heads % 16 != 0)
      bad(base::cat("width = ", width, " does not split into ", heads,
                    " heads of a multiple of 16; set head_dim, or width = ", heads * 32));
    head_dim = width / heads;
  }
  check_multiple("head_dim", head_dim, 16);
  if (!(norm_eps >= 0 && norm_eps <= 1)) bad(base::cat("norm_eps = ", norm_eps, "; it must be 0 … 1"));
  rotary.theta = tensor::Rotary().theta;
  check_stretch(full_rotary(), head_dim);
  if (!windowed.empty() && static_cast<int64_t>(windowed.size()) != layers)
    bad(base::cat("kinds of attention for ", windowed.size(), " layers; there are ", layers));
  if (std::find(windowed.begin(), windowed.end(), true) == windowed.end()) windowed.clear(), window = 0;
  if (!windowed.empty() && window < 1) bad("windowed layers need a window of at least 1 token");
  check_range("sliding_window", window, 0, int64_t{1} << 31);
  if (compute == "auto") compute = tensor::has_fast_bf16() ? "bf16" : "f32";
  if (compute != "f32" && compute != "bf16") bad(base::cat("compute = \"", compute, "\"; valid: auto, f32, bf16"));
  for (const int64_t id : eos_ids)
    if (id < 0 || id >= vocab) bad(base::cat("end token ", id, " is not in 0 … ", vocab - 1));
}

tensor::Compute DecoderConfig::product_type() const {
  return compute == "bf16" ? tensor::Compute::kBf16 : tensor::Compute::kF32;
}

tensor::HeadShape DecoderConfig::head_shape() const {
  tensor::HeadShape shape{heads, kv_heads, head_dim};
  shape.kv = compute == "bf16" ? tensor::KvType::kBf16 : tensor::KvType::kF32;
  shape.scale = attention_scale;
  return shape;
}

tensor::HeadShape DecoderConfig::head_shape(int64_t layer) const {
  tensor::HeadShape shape = head_shape();
  if (is_windowed(layer)) shape.window = window;
  return shape;
}

tensor::Rotary DecoderConfig::full_rotary() const {
  tensor::Rotary r = rotary;
  r.theta = rope_theta;
  return r;
}

tensor::Rotary DecoderConfig::layer_rotary(int64_t layer) const {
  return is_windowed(layer) && window_theta > 0 ? tensor::Rotary{.theta = window_theta} : full_rotary();
}

int64_t DecoderConfig::parameter_count() const {
  const int64_t attention = width * (2 * heads + 2 * kv_heads) * head_dim;
  int64_t layer = attention + 3 * width * ffn + (output_norms ? 4 : 2) * width;
  if (qkv_bias) layer += (heads + 2 * kv_heads) * head_dim;
  if (head_norms) layer += 2 * head_dim;
  return (tied ? 1 : 2) * vocab * width + layers * layer + width + (value_head ? width + 1 : 0);
}

double forward_flops(const DecoderConfig& config, double context) {
  const auto f = [](int64_t n) { return static_cast<double>(n); };
  const double layer = f(config.width) * f((2 * config.heads + 2 * config.kv_heads) * config.head_dim) +
                       3 * f(config.width) * f(config.ffn);
  const double visible = 4 * f(config.heads * config.head_dim);
  double attention = 0;
  for (int64_t l = 0; l < config.layers; ++l)
    attention += visible * (config.is_windowed(l) ? std::min(context, f(config.window)) : context);
  return 2 * (f(config.layers) * layer + f(config.vocab) * f(config.width)) + attention;
}

}  // namespace ponder::model
