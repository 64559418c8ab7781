#include "ponder/store/gguf_tokenizer.h"

#include <algorithm>
#include <iterator>
#include <unordered_map>
#include <utility>
#include <vector>

#include "ponder/base/error.h"
#include "ponder/base/log.h"
#include "ponder/store/gguf_end_tokens.h"

namespace ponder::store {
namespace {

using base::Json;

enum TokenKind : int32_t { kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5, kByte = 6 };
constexpr std::string_view kSpace = "\xE2\x96\x81";  // U+2581, how these vocabularies write a space
constexpr int64_t kMaxTokens = 1 << 24;              // a score must be exact as f32

// llama.cpp names pre-tokenizers; it knows each by what it does, we by its expression.
struct PreTokenizer {
  std::string_view regex, name;
  bool nfc = false;  // whoever reads the name composes characters first
};
constexpr PreTokenizer kPreTokenizers[] = {
    {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
     "llama-bpe"},
    {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
     "qwen2", true},
    {R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
     "tekken"}};

std::string type_of(const Json& json) {
  const Json* type = json.find("type");
  return type && type->is_string() ? type->as_string() : "";
}

// A step and the steps that a Sequence is made of.
std::vector<const Json*> steps_of(const Json* step, const char* list) {
  std::vector<const Json*> steps;
  if (!step || step->is_null()) return steps;
  if (const Json* parts = step->find(list); parts && parts->is_array())
    for (const Json& part : parts->as_array()) steps.push_back(&part);
  else
    steps.push_back(step);
  return steps;
}

// Tokens that stand for no text although tokenizer.json calls them ordinary (Gemma's <unused7> and <mask>): llama.cpp's
// converter goes by their names, and its runtime never prints a control token.
bool is_named_like_control(std::string_view token) {
  const auto is_framed = [&](std::string_view begin, std::string_view end) {
    return token.starts_with(begin) && token.ends_with(end);
  };
  return token == "<pad>" || token == "<mask>" || token == "<2mass>" || token == "[@BOS@]" || is_framed("<|", "|>") ||
         is_framed("<\xEF\xBD\x9C", "\xEF\xBD\x9C>") || is_framed("<unused", ">");  // U+FF5C, a wide |
}

class Exporter {
 public:
  Exporter(const TokenizerFiles& files, int64_t vocab, GgufPairs& pairs)
      : files_(files), vocab_(vocab), pairs_(pairs) {}

  void add() {
    const Json* model = files_.tokenizer.find("model");
    const std::string type = model ? type_of(*model) : "";
    if (files_.tokenizer.is_null() || type == "WordLevel") {
      pairs_.add_string("tokenizer.ggml.model", "none");
      return add_ids();
    }
    if (type != "BPE") fail(base::cat("model.type is \"", type, "\"; GGUF takes BPE"));
    read_tokens(*model);
    read_ends();
    const Json* fallback = model->find("byte_fallback");
    if (fallback && fallback->is_bool() && fallback->as_bool())
      add_characters(*model);
    else
      add_bytes(*model);
    add_ids();
    pairs_.add_bool("tokenizer.ggml.add_bos_token", before_ >= 0);
    pairs_.add_bool("tokenizer.ggml.add_eos_token", after_ >= 0);
    add_chat_templates();
  }

 private:
  void read_tokens(const Json& model) {
    tokens_.resize(static_cast<size_t>(vocab_));
    kinds_.assign(tokens_.size(), kUnused);
    for (size_t i = 0; i < tokens_.size(); ++i) tokens_[i] = base::cat("[PAD", i, "]");
    for (const auto& [token, id] : model.at("vocab").as_object()) put(token, id, kNormal);
    const Json* added = files_.tokenizer.find("added_tokens");
    if (!added) return;
    for (const Json& token : added->as_array()) {
      const Json* special = token.find("special");
      const Json& id = token.at("id");
      if (id.is_int() && id.as_int() >= vocab_) continue;  // of a larger sister: Gemma's image token, for one
      const bool is_special = special && special->is_bool() && special->as_bool();
      const std::string& content = token.string_at("content");
      for (const char* key : {"lstrip", "rstrip", "single_word"})
        if (const Json* value = token.find(key); value && value->is_bool() && value->as_bool())
          fail(base::cat("added_tokens: ", Json(content).dump(), " has \"", key,
                         "\": true; GGUF has no place for that"));
      put(content, id, is_special || is_named_like_control(content) ? kControl : kUserDefined);
    }
  }

  void put(const std::string& token, const Json& id, TokenKind kind) {
    if (!id.is_int() || id.as_int() < 0 || id.as_int() >= vocab_)
      fail(base::cat("the token ", Json(token).dump(), " has the id ", id.dump(), ", but the model has ", vocab_));
    const auto at = static_cast<size_t>(id.as_int());
    tokens_[at] = token;
    kinds_[at] = kind;
    ids_[token] = id.as_int();
  }

  // "a b" or ["a","b"]
  std::pair<std::string, std::string> merge_of(const Json& merge) const {
    if (merge.is_array() && merge.size() == 2)
      return {merge.as_array()[0].as_string(), merge.as_array()[1].as_string()};
    const std::string& text = merge.as_string();
    const size_t space = text.find(' ', 1);
    if (space == std::string::npos) fail(base::cat("the merge ", merge.dump(), " is no pair"));
    return {text.substr(0, space), text.substr(space + 1)};
  }

  void add_bytes(const Json& model) {
    pairs_.add_string("tokenizer.ggml.model", "gpt2");
    pairs_.add_string("tokenizer.ggml.pre", pre_tokenizer());
    pairs_.add_strings("tokenizer.ggml.tokens", tokens_);
    pairs_.add_i32s("tokenizer.ggml.token_type", kinds_);
    std::vector<std::string> merges;
    for (const Json& merge : model.at("merges").as_array()) {
      const auto [left, right] = merge_of(merge);
      merges.push_back(base::cat(left, " ", right));
    }
    pairs_.add_strings("tokenizer.ggml.merges", merges);
  }

  // llama.cpp joins the pair whose result has the highest score, tokenizer.json the pair that stands first; so a score
  // is the place of the first merge that makes the token.
  void add_characters(const Json& model) {
    std::vector<float> scores(tokens_.size(), 0);
    const auto& merges = model.at("merges").as_array();
    if (static_cast<int64_t>(merges.size()) > kMaxTokens) fail(base::cat("has more than ", kMaxTokens, " merges"));
    for (size_t i = merges.size(); i-- > 0;) {
      const auto [left, right] = merge_of(merges[i]);
      if (const auto found = ids_.find(left + right); found != ids_.end())
        scores[static_cast<size_t>(found->second)] = -1 - static_cast<float>(i);
    }
    for (size_t i = 0; i < tokens_.size(); ++i) {
      if (tokens_[i].size() == 6 && tokens_[i].starts_with("<0x") && tokens_[i][5] == '>') kinds_[i] = kByte;
      if (kinds_[i] != kUserDefined) continue;
      for (size_t at; (at = tokens_[i].find(kSpace)) != std::string::npos;) tokens_[i].replace(at, kSpace.size(), " ");
    }
    if (const Json* unknown = model.find("unk_token"); unknown && unknown->is_string())
      if (const auto found = ids_.find(unknown->as_string()); found != ids_.end())
        if (int32_t& kind = kinds_[static_cast<size_t>(found->second)]; kind == kNormal) kind = kUnknown;
    pairs_.add_string("tokenizer.ggml.model", "llama");
    pairs_.add_string("tokenizer.ggml.pre", "default");
    pairs_.add_strings("tokenizer.ggml.tokens", tokens_);
    pairs_.add_f32s("tokenizer.ggml.scores", scores);
    pairs_.add_i32s("tokenizer.ggml.token_type", kinds_);
    pairs_.add_bool("tokenizer.ggml.add_space_prefix", puts_space_first());
  }

  // GGUF names how a text is normalized only by what it names else.
  void check_normalizer(bool composes, const std::string& name) const {
    const Json* step = files_.tokenizer.find("normalizer");
    const bool none = !step || step->is_null();
    if (composes ? none || type_of(*step) != "NFC" : !none)
      fail(base::cat("normalizer is ", none ? "null" : step->dump().substr(0, 200), "; in GGUF the pre-tokenizer ",
                     name, " goes with ", composes ? "NFC" : "none"));
  }

  std::string pre_tokenizer() const {
    const Json* step = files_.tokenizer.find("pre_tokenizer");
    std::string regex;
    bool splits_itself = false;  // ByteLevel has GPT-2's expression built in
    for (const Json* part : steps_of(step, "pretokenizers")) {
      const std::string type = type_of(*part);
      const Json *pattern = part->find("pattern"), *use_regex = part->find("use_regex");
      if (type == "ByteLevel")
        splits_itself = !(use_regex && use_regex->is_bool() && !use_regex->as_bool());
      else if (type == "Split" && pattern && pattern->find("Regex") && regex.empty())
        regex = pattern->string_at("Regex");
      else
        fail(base::cat("GGUF has no name for the pre-tokenizer ", step->dump().substr(0, 200)));
    }
    if (regex.empty() && splits_itself) {
      check_normalizer(false, "gpt-2");
      return "gpt-2";
    }
    for (const PreTokenizer& known : kPreTokenizers) {
      if (known.regex != regex || splits_itself) continue;
      check_normalizer(known.nfc, std::string(known.name));
      return std::string(known.name);
    }
    fail(base::cat("GGUF has no name for the pre-tokenizer ", step ? step->dump().substr(0, 200) : "(none)"));
  }

  bool puts_space_first() const {
    bool prepends = false;
    for (const Json* part : steps_of(files_.tokenizer.find("normalizer"), "normalizers")) {
      prepends |= type_of(*part) == "Prepend";
      if (type_of(*part) != "Prepend" && type_of(*part) != "Replace")
        fail(base::cat("normalizer: GGUF has no place for the step ", part->dump().substr(0, 200)));
    }
    if (prepends) return true;
    for (const Json* part : steps_of(files_.tokenizer.find("pre_tokenizer"), "pretokenizers"))
      if (type_of(*part) == "Metaspace") {
        const Json* scheme = part->find("prepend_scheme");
        return !(scheme && scheme->is_string() && scheme->as_string() == "never");
      }
    return false;
  }

  // tokenizer_config.json has the token's text, or an object around it; the model's configuration the id.
  int64_t special_id(const char* name, int64_t of_model) const {
    if (const Json* token = files_.config.find(base::cat(name, "_token"))) {
      const Json* text = token->is_object() ? token->find("content") : token;
      if (text && text->is_string())
        if (const auto found = ids_.find(text->as_string()); found != ids_.end()) return found->second;
    }
    return of_model < vocab_ ? of_model : -1;
  }

  void add_id(const char* name, int64_t id) {
    if (id >= 0) pairs_.add_u32(base::cat("tokenizer.ggml.", name, "_token_id"), id);
  }

  void add_ids() {
    const std::vector<int64_t>& ends = files_.model.ends;
    add_id("bos", before_ >= 0 ? before_ : special_id("bos", files_.model.bos));
    add_id("unknown", special_id("unk", -1));
    add_id("padding", special_id("pad", files_.model.pad));
    const int64_t eos = after_ >= 0 ? after_ : special_id("eos", ends.empty() ? -1 : ends[0]);
    add_id("eos", eos);
    // What has neither a key yet nor a text by which readers know it.
    std::vector<int64_t> left;
    for (const int64_t id : ends)
      if (id != eos && !is_known_end(id)) left.push_back(id);
    int64_t eot = eos >= 0 && is_turn_end(eos) ? -1 : first_turn_end();  // of a turn, where that is another token
    for (const char* name : {"eot", "eom"}) {
      if (eot < 0 && !left.empty()) eot = left.front(), left.erase(left.begin());
      add_id(name, std::exchange(eot, -1));
    }
    for (const int64_t id : left)
      base::log_warning(base::cat(files_.directory, ": the end token ", id, " has no place in a GGUF file"));
  }

  bool is_special(int64_t id) const {
    const auto at = static_cast<size_t>(id);
    return at < kinds_.size() && (kinds_[at] == kControl || kinds_[at] == kUserDefined);
  }
  bool is_turn_end(int64_t id) const { return is_special(id) && ends_turn(tokens_[static_cast<size_t>(id)]); }
  bool is_known_end(int64_t id) const { return is_special(id) && ends_text(tokens_[static_cast<size_t>(id)]); }
  int64_t first_turn_end() const {
    for (const std::string_view end : kTurnEnds)
      if (const auto found = ids_.find(std::string(end)); found != ids_.end() && is_special(found->second))
        return found->second;
    return -1;
  }

  // What stands around a text, by the template of the post-processor, which may be one step of several. GGUF can say:
  // the begin token before it, the end token behind it.
  void read_ends() {
    std::vector<int64_t> before, after;
    for (const Json* part : steps_of(files_.tokenizer.find("post_processor"), "processors")) {
      const Json* single = part->find("single");
      if (!single || !single->is_array()) {
        if (type_of(*part) != "ByteLevel")  // which is about offsets
          fail(base::cat("post_processor: GGUF has no place for ", part->dump().substr(0, 200)));
        continue;
      }
      std::vector<int64_t>* side = &before;
      for (const Json& piece : single->as_array()) {
        const Json* token = piece.find("SpecialToken");
        if (!token) {
          side = &after;
          continue;
        }
        for (const Json& id : part->at("special_tokens").at(token->string_at("id")).at("ids").as_array())
          side->push_back(id.as_int());
      }
    }
    if (before.size() > 1 || after.size() > 1)
      fail(base::cat("post_processor puts ", before.size(), " tokens before a text and ", after.size(),
                     " behind it; GGUF has a place for one each"));
    if (!before.empty()) before_ = before[0];
    if (after.empty()) return;
    after_ = after[0];
    const std::vector<int64_t>& ends = files_.model.ends;
    if (special_id("eos", -1) != after_ && std::ranges::find(ends, after_) == ends.end())
      fail(base::cat("post_processor puts the token ", after_,
                     " behind a text, which ends none; GGUF has a place for an "
                     "end token there"));
  }

  // One without a name, or several of which "default" is the one.
  void add_chat_templates() {
    auto templates = files_.chat_templates;
    const Json* found = files_.config.find("chat_template");
    if (templates.empty() && found && found->is_string()) templates.emplace_back("default", found->as_string());
    if (templates.empty() && found && found->is_array())
      for (const Json& entry : found->as_array())
        templates.emplace_back(entry.string_at("name"), entry.string_at("template"));
    std::vector<std::string> names;
    for (const auto& [name, text] : templates) {
      if (text.empty()) continue;
      if (name != "default") names.push_back(name);
      pairs_.add_string(name == "default" ? "tokenizer.chat_template" : "tokenizer.chat_template." + name, text);
    }
    if (!names.empty()) pairs_.add_strings("tokenizer.chat_templates", names);
  }

  [[noreturn]] void fail(const std::string& message) const {
    throw Error(ErrorCode::kInput, message, base::join_path(files_.directory, "tokenizer.json"));
  }

  const TokenizerFiles& files_;
  const int64_t vocab_;
  GgufPairs& pairs_;
  std::vector<std::string> tokens_;
  std::vector<int32_t> kinds_;
  std::unordered_map<std::string, int64_t> ids_;
  int64_t before_ = -1, after_ = -1;  // of a text; -1: nothing is
};

}  // namespace

void add_tokenizer(const TokenizerFiles& files, int64_t vocab, GgufPairs& pairs) {
  try {
    Exporter(files, vocab, pairs).add();
  } catch (const Error& e) {
    if (!e.where().empty()) throw;
    throw Error(e.code(), e.message(), base::join_path(files.directory, "tokenizer.json"));  // a key of the wrong type
  }
}

}  // namespace ponder::store
