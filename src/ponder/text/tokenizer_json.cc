#include "ponder/text/tokenizer_json.h"

#include <algorithm>

#include "ponder/base/error.h"
#include "ponder/base/json_document.h"
#include "ponder/text/bpe_builder.h"
#include "ponder/text/bpe_tokenizer.h"
#include "ponder/text/unicode.h"
#include "ponder/text/word_tokenizer.h"

namespace ponder::text {
namespace {

using base::JsonView;
constexpr size_t kMaxAdded = 1 << 20;

class TokenizerReader {
 public:
  TokenizerReader(const base::JsonDocument& document, const base::Json& root, std::string_view config_json,
                  const std::string& config_where)
      : document_(document),
        root_(root, "", document.where()),
        config_json_(config_json),
        config_where_(config_where) {}

  std::unique_ptr<Tokenizer> read() {
    if (root_.has("version") && root_.string("version") != "1.0")
      root_.fail("version", base::cat("must be \"1.0\", found \"", root_.string("version"), "\""));
    PreTokenizers pre_tokenizers = read_pre_tokenizer(root_.part("pre_tokenizer"));
    DecodePlan decoder = read_decoder(root_.part("decoder"));
    if (pre_tokenizers.byte_level && !decoder.byte_level)
      root_.fail("decoder", "must be ByteLevel, as the pre-tokenizer is");
    JsonView model;
    document_.root().find("model", model);
    JsonView vocab, merges;
    if (!model.find("vocab", vocab) || !vocab.is_object())
      root_.fail("model.vocab", "must be an object of tokens and ids");
    if (!model.find("merges", merges) || !merges.is_array()) root_.fail("model.merges", "must be a list");
    BpeBuilder builder(pre_tokenizers.byte_level, vocab.size(), merges.size());
    read_vocabulary(vocab, builder);
    read_merges(merges, builder);
    std::vector<AddedToken> added = read_added(builder);
    BpeOptions options = read_options(builder);
    SpecialIds special = read_special_ids(builder, added);
    if (special.unk < 0) special.unk = options.unk;
    Bpe bpe = builder.build(options);
    BpeTokenizerParts parts{std::move(bpe),
                            builder.take_unreachable(),
                            std::move(added),
                            read_normalizer(root_.part("normalizer")),
                            std::move(pre_tokenizers),
                            std::move(decoder),
                            {},
                            {},
                            special};
    read_post_processor(root_.part("post_processor"), parts);
    return std::make_unique<BpeTokenizer>(std::move(parts));
  }

 private:
  // Errors of the builder, with the key that they are about.
  template <class F>
  void at_key(const char* key, F&& work) {
    try {
      work();
    } catch (const Error& e) {
      if (e.code() != ErrorCode::kInput || !e.where().empty()) throw;
      root_.fail(key, e.message());
    }
  }

  void read_vocabulary(JsonView vocab, BpeBuilder& builder) {
    at_key("model.vocab", [&] {
      vocab.each_member([&](std::string_view token, JsonView value) {
        int64_t id = 0;
        if (!value.get(id))
          throw Error(ErrorCode::kInput, base::cat("the id of \"", token.substr(0, 60),
                                                   "\" must be a whole number, found ", value.type_name()));
        builder.add_token(token, id);
      });
    });
  }

  void read_merges(JsonView merges, BpeBuilder& builder) {
    at_key("model.merges", [&] {
      merges.each_item([&](JsonView merge) {
        std::string_view parts[2];
        if (!split_line(merge, parts) && !split_pair(merge, parts))
          throw Error(ErrorCode::kInput, "each merge must be \"left right\" or [\"left\", \"right\"]");
        if (!parts[0].starts_with("#version") || merge.is_array()) builder.add_merge(parts[0], parts[1]);
      });
    });
  }

  static bool split_line(JsonView merge, std::string_view (&parts)[2]) {
    std::string_view line;
    if (!merge.get(line)) return false;
    const size_t space = line.find(' ');
    if (space == std::string_view::npos) return line.starts_with("#version") && (parts[0] = line, true);
    parts[0] = line.substr(0, space), parts[1] = line.substr(space + 1);
    return line.starts_with("#version") || parts[1].find(' ') == std::string_view::npos;
  }

  static bool split_pair(JsonView merge, std::string_view (&parts)[2]) {
    size_t n = 0;
    bool is_pair = merge.is_array();
    merge.each_item([&](JsonView part) { is_pair = n < 2 && part.get(parts[n++]) && is_pair; });
    return is_pair && n == 2;
  }

  std::vector<AddedToken> read_added(const BpeBuilder& builder) {
    std::vector<AddedToken> added;
    if (!root_.has("added_tokens")) return added;
    const size_t count = root_.json().at("added_tokens").size();
    if (count > kMaxAdded) root_.fail("added_tokens", base::cat("has more than ", kMaxAdded, " items"));
    const int64_t most = Vocabulary::max_id_of(builder.vocabulary().count() + count);
    std::unordered_set<core::Token> ids;
    std::unordered_set<std::string> contents;
    root_.each("added_tokens", [&](const JsonPart& part) {
      AddedToken token;
      token.content = part.string("content");
      const int64_t id = part.integer("id", -1);
      if (token.content.empty()) part.fail("content", "must not be empty");
      if (id < 0 || id > most) part.fail("id", base::cat("must be 0 … ", most, ", found ", id));
      token.id = static_cast<core::Token>(id);
      token.single_word = part.boolean("single_word", false);
      token.lstrip = part.boolean("lstrip", false);
      token.rstrip = part.boolean("rstrip", false);
      token.special = part.boolean("special", false);
      token.normalized = part.boolean("normalized", !token.special);
      if (!ids.insert(token.id).second) part.fail("id", base::cat(id, " stands twice in added_tokens"));
      if (!contents.insert(token.content).second) part.fail("content", "stands twice in added_tokens");
      const core::Token known = builder.find(token.content);
      if (known != Vocabulary::kNone && known != token.id)
        part.fail("id", base::cat("is ", id, ", but the vocabulary gives this token ", known));
      if (known == Vocabulary::kNone && builder.has_id(token.id))
        part.fail("id", base::cat(id, " belongs to another token of the vocabulary"));
      added.push_back(std::move(token));
    });
    return added;
  }

  BpeOptions read_options(const BpeBuilder& builder) {
    const JsonPart model = root_.part("model");
    for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"})
      if (model.has(key) && !model.string(key).empty()) model.fail(key, "is not supported; it must be null or \"\"");
    if (model.has("dropout")) {
      const base::Json& dropout = model.json().at("dropout");
      if (!dropout.is_number() || dropout.as_double() != 0)
        model.fail("dropout", "is not supported; encoding must not be random, so it must be null");
    }
    BpeOptions options;
    options.byte_fallback = model.boolean("byte_fallback", false);
    options.fuse_unk = model.boolean("fuse_unk", false);
    options.ignore_merges = model.boolean("ignore_merges", false);
    if (model.has("unk_token")) {
      options.unk_name = model.string("unk_token");
      options.unk = builder.find(options.unk_name);
    }
    return options;
  }

  SpecialIds read_special_ids(const BpeBuilder& builder, const std::vector<AddedToken>& added) {
    SpecialIds ids;
    if (config_json_.empty()) return ids;
    // By the parser that takes whole numbers beyond 64 bits: many files say "model_max_length":
    // 1000000000000000019884624838656.
    const base::Json config = base::Json::parse(config_json_, config_where_);
    if (!config.is_object())
      throw Error(ErrorCode::kInput, base::cat("must be an object, found ", config.type_name()), config_where_);
    const std::pair<const char*, core::Token*> roles[] = {
        {"bos_token", &ids.bos}, {"eos_token", &ids.eos}, {"pad_token", &ids.pad}, {"unk_token", &ids.unk}};
    for (const auto& [key, id] : roles) {
      const base::Json* value = config.find(key);
      if (!value || value->is_null()) continue;
      if (value->is_object()) value = value->find("content");
      if (!value || !value->is_string())
        throw Error(ErrorCode::kInput, base::cat(key, ": must be a token or null"), config_where_);
      const std::string& content = value->as_string();
      const auto found =
          std::find_if(added.begin(), added.end(), [&](const auto& token) { return token.content == content; });
      *id = found != added.end() ? found->id : builder.find(content);
      if (*id < 0)
        throw Error(ErrorCode::kInput,
                    base::cat(key, ": \"", content.substr(0, 60), "\" is not a token of this tokenizer"),
                    config_where_);
    }
    return ids;
  }

  void read_post_processor(const JsonPart& part, BpeTokenizerParts& parts) {
    if (part.is_null()) return;
    const std::string& type = part.type();
    if (type == "ByteLevel") return;  // about offsets only
    if (type == "Sequence") {
      part.each("processors", [&](const JsonPart& step) { read_post_processor(step, parts); });
    } else if (type == "TemplateProcessing") {
      read_template(part, parts);
    } else if (type == "RobertaProcessing" || type == "BertProcessing") {
      parts.before.insert(parts.before.begin(), paired_id(part, "cls", parts));
      parts.after.push_back(paired_id(part, "sep", parts));
    } else {
      part.fail("type", base::cat("the post-processor \"", type,
                                  "\" is not supported; known are ByteLevel, TemplateProcessing, RobertaProcessing, "
                                  "BertProcessing and Sequence"));
    }
  }

  core::Token checked_id(const JsonPart& part, const char* key, const base::Json& id, const BpeTokenizerParts& parts) {
    const auto is_it = [&](const AddedToken& token) { return token.id == id.as_int(); };
    if (!id.is_int() || id.as_int() < 0 || id.as_int() > INT32_MAX ||
        (!parts.model.vocabulary().has(static_cast<core::Token>(id.as_int())) &&
         std::none_of(parts.added.begin(), parts.added.end(), is_it)))
      part.fail(key, "must be the id of a token");
    return static_cast<core::Token>(id.as_int());
  }

  core::Token paired_id(const JsonPart& part, const char* key, const BpeTokenizerParts& parts) {  // ["</s>", 2]
    const base::Json* pair = part.json().find(key);
    if (!pair || !pair->is_array() || pair->size() != 2) part.fail(key, "must be [token, id]");
    return checked_id(part, key, pair->as_array()[1], parts);
  }

  // {"single": [{"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "A"}}, …], "special_tokens": {"<s>": {"ids":
  // [1]}}}
  void read_template(const JsonPart& part, BpeTokenizerParts& parts) {
    core::Tokens before, after;
    bool has_text = false;
    part.each("single", [&](const JsonPart& piece) {
      if (piece.has("Sequence")) {
        if (has_text || piece.part("Sequence").string("id") != "A") piece.fail("Sequence", "must be \"A\", once");
        has_text = true;
        return;
      }
      const JsonPart token = piece.part("SpecialToken");
      const JsonPart known = part.part("special_tokens").part(token.string("id"));
      const base::Json* ids = known.json().find("ids");
      if (!ids || !ids->is_array()) known.fail("ids", "must be a list of ids");
      for (const base::Json& id : ids->as_array())
        (has_text ? after : before).push_back(checked_id(known, "ids", id, parts));
    });
    if (!has_text) part.fail("single", "must hold the Sequence \"A\"");
    parts.before.insert(parts.before.begin(), before.begin(), before.end());
    parts.after.insert(parts.after.end(), after.begin(), after.end());
  }

  const base::JsonDocument& document_;
  const JsonPart root_;
  std::string_view config_json_;
  const std::string& config_where_;
};

}  // namespace

std::unique_ptr<Tokenizer> read_tokenizer_json(std::string_view tokenizer_json, const std::string& where,
                                               std::string_view config_json, const std::string& config_where) {
  const base::JsonDocument document(tokenizer_json, where);
  JsonView model;
  if (!document.root().is_object())
    throw Error(ErrorCode::kInput, base::cat("must be an object, found ", document.root().type_name()), where);
  if (!document.root().find("model", model) || !model.is_object())
    throw Error(ErrorCode::kInput, "model: must be an object", where);
  base::Json root = document.root().tree({"model"});
  root["model"] = model.tree({"vocab", "merges"});
  const JsonPart settings(root.at("model"), "model", where);
  const std::string type = settings.has("type") ? settings.type() : "BPE";  // older files do not say
  if (type == "WordLevel")
    return std::make_unique<WordTokenizer>(WordTokenizer::from_json(std::string(tokenizer_json), where));
  if (type != "BPE")
    settings.fail("type", base::cat("the model \"", type, "\" is not supported; known are BPE and WordLevel"));
  return TokenizerReader(document, root, config_json, config_where).read();
}

}  // namespace ponder::text
