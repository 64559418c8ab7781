#include "ponder/text/gguf_tokenizer_json.h"

#include <algorithm>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "ponder/base/cat.h"
#include "ponder/base/error.h"
#include "ponder/base/json.h"
#include "ponder/text/bpe.h"
#include "ponder/text/gguf_kinds.h"
#include "ponder/text/unicode.h"

namespace ponder::text {
namespace {

using base::Json;

std::string quoted(std::string_view text) { return Json(text).dump(); }

Json typed(const char* type) {
  Json json = Json::object();
  json["type"] = type;
  return json;
}

Json replace(const char* from, const char* to) {
  Json json = typed("Replace");
  json["pattern"]["String"] = from;
  json["content"] = to;
  return json;
}

Json sequence(const char* list, Json::Array steps) {
  Json json = typed("Sequence");
  json[list] = Json(std::move(steps));
  return json;
}

Json byte_level() {
  Json json = typed("ByteLevel");
  json["add_prefix_space"] = false, json["trim_offsets"] = false, json["use_regex"] = false;
  return json;
}

// The files of a big vocabulary are tens of megabytes: they are written as text, not as a tree of values.
class Writer {
 public:
  Writer(const GgufVocabulary& vocabulary, const std::string& where) : v_(vocabulary), where_(where) {
    is_llama_ = v_.model == "llama";
    if (!is_llama_) kind_ = &find_pre_kind(v_.pre, where);
    for (size_t id = 0; id < v_.tokens.size(); ++id) {
      spelled_.push_back(is_llama_ ? spelled_token(v_, id) : v_.tokens[id]);
      has_bytes_ |= v_.type(id) == kByte;
    }
    for (size_t id = 0; id < spelled_.size(); ++id) ids_.emplace(spelled_[id], id);
  }

  std::string write() {
    std::string out = "{\n\"version\": \"1.0\",\n\"truncation\": null,\n\"padding\": null,\n\"added_tokens\": [";
    add_added_tokens(out);
    out += "],\n\"normalizer\": " + normalizer().dump();
    out += ",\n\"pre_tokenizer\": " + pre_tokenizer().dump();
    out += ",\n\"post_processor\": " + post_processor().dump();
    out += ",\n\"decoder\": " + decoder().dump();
    out += ",\n\"model\": {\"type\": \"BPE\", \"dropout\": null, \"unk_token\": ";
    out += is_llama_ && v_.unk >= 0 ? quoted(spelled_[static_cast<size_t>(v_.unk)]) : "null";
    out += ", \"continuing_subword_prefix\": null, \"end_of_word_suffix\": null, \"fuse_unk\": ";
    out += is_llama_ ? "true" : "false";
    out += ", \"byte_fallback\": ";
    out += is_llama_ && has_bytes_ ? "true" : "false";
    out += ", \"ignore_merges\": ";
    out += kind_ && kind_->ignore_merges ? "true" : "false";
    out += ",\n\"vocab\": {";
    bool first = true;
    for (size_t id = 0; id < spelled_.size(); ++id)
      if (!is_padding(v_, id))
        base::append(out, base::cat(std::exchange(first, false) ? "\n" : ",\n", quoted(spelled_[id]), ": ", id));
    out += "},\n\"merges\": [";
    add_merges(out);
    return out + "]}\n}\n";
  }

 private:
  bool is_added(size_t id) const {
    const int32_t type = v_.type(id);
    return !spelled_[id].empty() && (type == kControl || type == kUserDefined || (is_llama_ && type == kUnknown));
  }

  void add_added_tokens(std::string& out) const {
    bool first = true;
    for (size_t id = 0; id < spelled_.size(); ++id) {
      if (!is_added(id)) continue;
      base::append(out, base::cat(std::exchange(first, false) ? "\n" : ",\n", "{\"id\": ", id,
                                  ", \"content\": ", quoted(spelled_[id]),
                                  ", \"single_word\": false, \"lstrip\": false, \"rstrip\": false, \"normalized\": "
                                  "false, \"special\": ",
                                  v_.type(id) == kUserDefined ? "false}" : "true}"));
    }
  }

  Json normalizer() const {
    if (!is_llama_) return kind_->nfc ? typed("NFC") : Json();
    const Json spaces = replace(" ", kWordMark.data());
    if (!v_.add_space_prefix.value_or(true)) return spaces;
    Json prefix = typed("Prepend");
    prefix["prepend"] = kWordMark;
    return sequence("normalizers", {prefix, spaces});
  }

  Json pre_tokenizer() const {
    if (is_llama_) return Json();
    Json::Array steps;
    for (const char* pattern : kind_->patterns) {
      Json split = typed("Split");
      split["pattern"]["Regex"] = pattern;
      split["behavior"] = "Isolated", split["invert"] = false;
      steps.push_back(std::move(split));
    }
    steps.push_back(byte_level());
    return sequence("pretokenizers", std::move(steps));
  }

  Json post_processor() const {
    const bool bos = v_.bos >= 0 && v_.add_bos.value_or(is_llama_ || kind_->add_bos);
    const bool eos = v_.eos >= 0 && v_.add_eos.value_or(false);
    if (!bos && !eos) return is_llama_ ? Json() : byte_level();
    Json json = typed("TemplateProcessing");
    Json specials = Json::object();
    const auto piece = [](const char* kind, std::string_view id, int type) {
      Json inner = Json::object();
      inner["id"] = id, inner["type_id"] = type;
      Json outer = Json::object();
      outer[kind] = std::move(inner);
      return outer;
    };
    const auto special = [&](int64_t id) {
      const std::string& name = spelled_[static_cast<size_t>(id)];
      Json entry = Json::object();
      entry["id"] = name, entry["ids"] = Json(Json::Array{Json(id)}), entry["tokens"] = Json(Json::Array{Json(name)});
      specials[name] = std::move(entry);
      return name;
    };
    const auto around = [&](Json::Array& pieces, const char* which, int type) {
      if (bos) pieces.push_back(piece("SpecialToken", special(v_.bos), type));
      pieces.push_back(piece("Sequence", which, type));
      if (eos) pieces.push_back(piece("SpecialToken", special(v_.eos), type));
    };
    Json::Array single, pair;
    around(single, "A", 0), around(pair, "A", 0), around(pair, "B", 1);
    json["single"] = Json(std::move(single)), json["pair"] = Json(std::move(pair));
    json["special_tokens"] = std::move(specials);
    return json;
  }

  Json decoder() const {
    if (!is_llama_) return byte_level();
    Json::Array steps{replace(kWordMark.data(), " "), typed("ByteFallback"), typed("Fuse")};
    if (v_.add_space_prefix.value_or(true)) {
      Json strip = typed("Strip");
      strip["content"] = " ", strip["start"] = 1, strip["stop"] = 0;
      steps.push_back(std::move(strip));
    }
    return sequence("decoders", std::move(steps));
  }

  void add_merge(std::string_view left, std::string_view right, std::string& out) {
    constexpr size_t kMostBytes = size_t{1} << 28;  // long tokens of tokens have a way to be cut for each byte
    if (out.size() > kMostBytes)
      throw Error(ErrorCode::kInput, "tokenizer.ggml.tokens: a tokenizer.json of them takes more than 256 MiB", where_);
    base::append(out,
                 base::cat(std::exchange(has_merge_, true) ? ",\n[" : "\n[", quoted(left), ", ", quoted(right), "]"));
  }

  // Every way to cut the token into two others.
  void add_merges_of(size_t id, std::string& out) {
    const std::string& text = spelled_[id];
    const auto part = [&](std::string_view piece) {
      const auto found = ids_.find(piece);
      return found != ids_.end() && (v_.type(found->second) == kNormal || v_.type(found->second) == kUserDefined);
    };
    for (size_t at = 0; at < text.size();) {
      at += code_point_at(text, at).length;
      const std::string_view left = std::string_view(text).substr(0, at), right = std::string_view(text).substr(at);
      if (!right.empty() && part(left) && part(right)) add_merge(left, right, out);
    }
  }

  // In the order of make_gguf_tokenizer(): runs of marks, the longest first, then by score.
  void add_merges(std::string& out) {
    if (!is_llama_) {
      for (const std::string& merge : v_.merges) {
        const size_t space = merge.find(' ', 1);
        add_merge(std::string_view(merge).substr(0, space), std::string_view(merge).substr(space + 1), out);
      }
      return;
    }
    std::vector<size_t> order, runs;
    for (size_t id = 0; id < spelled_.size(); ++id) {
      if (spelled_[id].size() > kMaxMerged || is_padding(v_, id)) continue;
      if (v_.type(id) == kNormal || v_.type(id) == kUnused) order.push_back(id);
      if (v_.type(id) == kUserDefined && is_run(spelled_[id])) runs.push_back(id);
    }
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return v_.scores[a] > v_.scores[b]; });
    std::stable_sort(runs.begin(), runs.end(),
                     [&](size_t a, size_t b) { return v_.tokens[a].size() > v_.tokens[b].size(); });
    for (const size_t id : runs) add_merges_of(id, out);
    for (const size_t id : order) add_merges_of(id, out);
  }

  static bool is_run(std::string_view text) {
    while (text.starts_with(kWordMark)) text.remove_prefix(kWordMark.size());
    return text.empty();
  }

  static constexpr size_t kMaxMerged = 1024;  // bytes, as in make_gguf_tokenizer()

  const GgufVocabulary& v_;
  const std::string& where_;
  const PreKind* kind_ = nullptr;  // null: llama
  bool is_llama_ = false, has_bytes_ = false, has_merge_ = false;
  std::vector<std::string> spelled_;
  std::unordered_map<std::string_view, size_t> ids_;
};

}  // namespace

std::string gguf_tokenizer_json(const GgufVocabulary& vocabulary, const std::string& where) {
  make_gguf_tokenizer(vocabulary, where);  // checks all of it
  return Writer(vocabulary, where).write();
}

std::string gguf_tokenizer_config(const GgufVocabulary& vocabulary, const std::string& chat_template) {
  Json json = Json::object();
  json["tokenizer_class"] = "PreTrainedTokenizerFast";
  json["clean_up_tokenization_spaces"] = false;
  for (const auto& [key, id] : {std::pair{"bos_token", vocabulary.bos}, std::pair{"eos_token", vocabulary.eos},
                                std::pair{"unk_token", vocabulary.unk}, std::pair{"pad_token", vocabulary.pad}})
    if (id >= 0 && static_cast<size_t>(id) < vocabulary.tokens.size())
      json[key] = vocabulary.tokens[static_cast<size_t>(id)];
  if (!chat_template.empty()) json["chat_template"] = chat_template;
  return json.dump(2) + "\n";
}

}  // namespace ponder::text
