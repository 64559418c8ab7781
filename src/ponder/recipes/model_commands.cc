// generate, score, logits, tokenize, info: a model by itself.
#include <cstdio>

#include "ponder/base/error.h"
#include "ponder/base/file.h"
#include "ponder/base/log.h"
#include "ponder/engine/generate.h"
#include "ponder/model/gguf.h"
#include "ponder/recipes/adapter_base.h"
#include "ponder/recipes/commands.h"
#include "ponder/recipes/decode_args.h"
#include "ponder/recipes/open_model.h"
#include "ponder/recipes/open_tokenizer.h"
#include "ponder/recipes/rollout.h"
#include "ponder/store/gguf_info.h"
#include "ponder/store/safetensors.h"
#include "ponder/tasks/word_codec.h"
#include "ponder/tensor/device.h"
#include "ponder/text/chat_encode.h"
#include "ponder/text/chat_template.h"
#include "ponder/text/stop_strings.h"

namespace ponder::recipes {
namespace {

// Error of the given kind when an id is not in the vocabulary.
void check_ids(const std::vector<int64_t>& ids, int64_t vocab, ErrorCode code, const std::string& where) {
  for (int64_t id : ids)
    if (id < 0 || id >= vocab)
      throw Error(code, base::cat("token id ", id, " is not in the vocabulary; ids are 0 to ", vocab - 1), where);
}

// "1,2,3" on the command line
core::Tokens parse_ids(const std::string& text, int64_t vocab, const std::string& where) {
  std::vector<int64_t> ids;
  for (size_t begin = 0; begin <= text.size() && !text.empty();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    int64_t value = -1;
    const auto [stop, error] = std::from_chars(text.data() + begin, text.data() + end, value);
    if (error != std::errc() || stop != text.data() + end)
      throw Error(ErrorCode::kUsage,
                  base::cat("\"", text.substr(begin, end - begin), "\" is no token id; ids are like 1,2,3"), where);
    ids.push_back(value);
    begin = end + 1;
  }
  check_ids(ids, vocab, ErrorCode::kUsage, where);
  return {ids.begin(), ids.end()};
}

std::string id_list(const core::Tokens& ids) {
  std::string text;
  for (const core::Token id : ids) text += base::cat(text.empty() ? "" : ",", id);
  return text;
}

// A text that stands on the command line.
core::Tokens encode_argument(const text::Tokenizer& tokenizer, const std::string& text, const char* option,
                             const text::EncodeOptions& options) {
  core::Tokens ids;
  try {
    ids = tokenizer.encode(text, options);
  } catch (const Error& e) {
    throw Error(e.code(), e.message(), option);
  }
  const core::Tokens added = tokenizer.encode("", options);
  if (!added.empty() && ids.size() > 1 && ids[0] == added[0] && ids[1] == added[0])
    base::log_warning(base::cat(option, ": begins with ", tokenizer.token_bytes(added[0], true),
                                " twice, for it is added to every text of this model and stands in this one too"));
  return ids;
}

// The ids of a text as one user message of the model's own chat template.
core::Tokens encode_message(const OpenedModel& model, const std::string& message) {
  const text::Tokenizer& tokenizer = model.tokenizer();
  text::Chat chat;
  chat.messages.push_back(base::Json(base::Json::Object{{"role", "user"}, {"content", message}}));
  const text::ChatTemplate chat_template(open_chat_source(model.policy_path), model.policy_path);
  return text::encode_chat(chat_template.render(chat, tasks::fixed_date()), text::chat_encoder(tokenizer)).ids;
}

core::Tokens ids_at(const base::Json& row, const char* key, int64_t vocab) {
  const std::vector<int64_t> ids = row.ints_at(key);
  check_ids(ids, vocab, ErrorCode::kInput, "");
  return {ids.begin(), ids.end()};
}

core::Tokens ids_of_row(const base::Json& row, const OpenedModel& model, const text::EncodeOptions& options) {
  if (row.find("text")) return model.tokenizer().encode(row.string_at("text"), options);
  if (row.find("tokens")) return ids_at(row, "tokens", model.policy.config.vocab);
  throw Error(ErrorCode::kInput, "the row has neither \"text\" nor \"tokens\"");
}

// Calls work(row) for every row of a file; bad rows are named one by one and the rest is done. The exit status.
int for_each_row(const std::string& path, const std::function<void(const base::Json& row)>& work) {
  int64_t failed = 0;
  const auto fail = [&](const std::string& message) {
    ++failed;
    base::log_error(message);
  };
  base::read_jsonl(
      path,
      [&](base::Json&& row, int64_t line) {
        try {
          work(row);
        } catch (const Error& e) {
          if (e.code() != ErrorCode::kInput) throw;
          fail(base::cat(path, ":", line, ": ", e.message()));
        }
      },
      [&](const std::string& message, int64_t) { fail(message); });
  return failed > 0 ? 1 : 0;
}

base::Json score_json(const OpenedModel& model, const core::Tokens& ids) {
  base::Json json = base::Json::object();
  json["tokens"] = base::Json::list(ids);
  base::Json logps = base::Json::array();
  if (!ids.empty()) logps.push_back(nullptr);  // nothing stands before the first token
  if (ids.size() > 1)
    for (float logp : engine::score_tokens(model.policy, ids)) logps.push_back(logp);
  json["logprobs"] = std::move(logps);
  return json;
}

void print_score(const base::Json& json, bool as_json) {
  if (as_json) {
    std::printf("%s\n", json.dump().c_str());
    return;
  }
  double sum = 0;
  for (const base::Json& logp : json.at("logprobs").as_array()) sum += logp.is_null() ? 0.0 : logp.as_double();
  std::printf("%zu tokens, log-probability %s nats\n", json.at("tokens").size(), base::fixed(sum, 4).c_str());
}

std::optional<text::StopTexts> stop_texts(const GenerateArgs& args, const OpenedModel& model) {
  if (args.stop.empty()) return std::nullopt;
  const text::Tokenizer& tokenizer = model.tokenizer();
  try {
    return text::StopTexts(tokenizer, args.stop);
  } catch (const Error& e) {
    throw Error(e.code(), e.message(), "--stop");
  }
}

}  // namespace

int command_generate(const GenerateArgs& args) {
  tensor::set_operator_threads(1);
  if (args.prompt.empty() == args.tokens.empty())
    throw Error(ErrorCode::kUsage, "give one of --prompt and --tokens", "command line");
  if (args.chat && (args.special || args.prompt.empty()))
    throw Error(ErrorCode::kUsage, "it is for --prompt alone, which is text then, without special tokens", "--chat");
  const char* option = args.tokens.empty() ? "--prompt" : "--tokens";
  const OpenOptions open{.weights = args.weights, .adapter = args.adapter};
  const OpenedModel model = open_model(args.model, open);
  const std::optional<OpenedModel> draft = open_draft(args.decode, model, open);
  const text::EncodeOptions options{.parse_special = args.special};
  core::SampleRequest request;
  request.prefix = args.chat             ? encode_message(model, args.prompt)
                   : args.tokens.empty() ? encode_argument(model.tokenizer(), args.prompt, option, options)
                                         : parse_ids(args.tokens, model.policy.config.vocab, option);
  const int64_t room = model.policy.config.context - static_cast<int64_t>(request.prefix.size());
  if (request.prefix.empty() || room < 1)
    throw Error(ErrorCode::kUsage,
                base::cat("the prompt has ", request.prefix.size(), " tokens; this model reads 1 to ",
                          model.policy.config.context - 1, " and writes the rest"),
                option);
  request.params = {args.temperature, args.top_k, args.top_p, args.min_p, args.max_tokens};
  const std::optional<text::StopTexts> stop = stop_texts(args, model);
  if (stop) request.params.endings = &*stop;
  std::vector<core::SampleRequest> requests;
  for (int64_t i = 0; i < args.n; ++i) {
    requests.push_back(request);
    requests.back().key =
        base::RngKey(static_cast<uint64_t>(args.seed)).child("generate").child(static_cast<uint64_t>(i));
  }
  Models models;
  models.policy = &model.policy;
  models.may_stop = true;
  set_decoding(args.decode, draft, models);
  check_room(models, static_cast<int64_t>(request.prefix.size()) + args.max_tokens);
  const auto text_of = [&](const core::Tokens& tokens) {
    return stop ? stop->text_before(tokens) : model.text->decode_text(tokens, true);
  };
  for (const core::Completion& c : sample_requests(models, std::move(requests), static_cast<size_t>(args.n))) {
    if (!args.json) {
      base::print_result(model.text ? text_of(c.tokens) : id_list(c.tokens));
      continue;
    }
    base::Json json = base::Json::object();
    json["tokens"] = base::Json::list(c.tokens);
    json["text"] = model.text ? base::Json(text_of(c.tokens)) : base::Json();
    json["logprobs"] = base::Json::list(c.logps);
    json["stop_reason"] = core::stop_reason_name(c.stop);
    if (draft || args.decode.speculate == "lookup") json["drafted"] = c.drafted, json["accepted"] = c.accepted;
    std::printf("%s\n", json.dump().c_str());
  }
  return 0;
}

int command_score(const ScoreArgs& args) {
  tensor::set_operator_threads(1);
  if (args.text.empty() + args.tokens.empty() + args.file.empty() != 2)
    throw Error(ErrorCode::kUsage, "give one of --text, --tokens and --file", "command line");
  const OpenedModel model = open_model(args.model, {.weights = args.weights, .adapter = args.adapter});
  const text::EncodeOptions options{.parse_special = args.special};
  if (!args.text.empty())
    print_score(score_json(model, encode_argument(model.tokenizer(), args.text, "--text", options)), args.json);
  if (!args.tokens.empty())
    print_score(score_json(model, parse_ids(args.tokens, model.policy.config.vocab, "--tokens")), args.json);
  if (args.file.empty()) return 0;
  return for_each_row(args.file, [&](const base::Json& row) {
    print_score(score_json(model, ids_of_row(row, model, options)), args.json);
  });
}

int command_logits(const ScoreArgs& args) {
  tensor::set_operator_threads(1);
  if (args.text.empty() == args.tokens.empty())
    throw Error(ErrorCode::kUsage, "give one of --text and --tokens", "command line");
  base::check_output_file(args.out);
  const OpenedModel model = open_model(args.model, {.weights = args.weights, .adapter = args.adapter});
  const core::Tokens ids =
      args.text.empty() ? parse_ids(args.tokens, model.policy.config.vocab, "--tokens")
                        : encode_argument(model.tokenizer(), args.text, "--text", {.parse_special = args.special});
  const at::Tensor logits = engine::token_logits(model.policy, ids);
  store::write_safetensors(args.out, {{"logits", "F32", logits.sizes().vec(), logits.const_data_ptr()}});
  if (args.json)
    std::printf("%s\n",
                base::Json(base::Json::Object{{"out", args.out}, {"shape", base::Json::list(logits.sizes().vec())}})
                    .dump()
                    .c_str());
  return 0;
}

int command_tokenize(const TokenizeArgs& args) {
  if (args.text.empty() == args.file.empty())
    throw Error(ErrorCode::kUsage, "give one of --text and --file", "command line");
  const std::shared_ptr<const text::Tokenizer> tokenizer = open_tokenizer(args.model);
  const auto vocab = static_cast<int64_t>(tokenizer->size());
  const text::EncodeOptions options{!args.no_special, !args.plain};
  const auto print = [&](const std::string& key, base::Json value, const std::string& plain) {
    base::Json json = base::Json::object();
    json[key] = std::move(value);
    base::print_result(args.json ? json.dump() : plain);
  };
  const auto print_ids = [&](const core::Tokens& ids) { print("ids", base::Json::list(ids), id_list(ids)); };
  const auto print_text = [&](const core::Tokens& ids) {
    const std::string text = tokenizer->decode_text(ids, args.no_special);
    print("text", text, text);
  };
  if (args.file.empty()) {
    args.decode ? print_text(parse_ids(args.text, vocab, "--text"))
                : print_ids(encode_argument(*tokenizer, args.text, "--text", options));
    return 0;
  }
  return for_each_row(args.file, [&](const base::Json& row) {
    if (args.decode) return print_text(ids_at(row, "ids", vocab));
    print_ids(tokenizer->encode(row.string_at("text"), options));
  });
}

namespace {

void print_info(const base::Json& json, bool as_json) {
  if (as_json) {
    std::printf("%s\n", json.dump().c_str());
    return;
  }
  for (const auto& [name, value] : json.as_object()) {
    const std::string dumped = value.dump();  // a string with escapes stays as it is dumped: a file's name for itself
    const bool is_plain = value.is_string() && dumped.find('\\') == std::string::npos;
    std::printf("%-11s %s\n", name.c_str(), is_plain ? value.as_string().c_str() : dumped.c_str());
  }
}

base::Json adapter_json(const OpenedModel& model) {
  if (!model.policy.adapter) return base::Json();
  const model::AdapterConfig& c = model.policy.adapter->config;
  base::Json json = base::Json::object();
  json["parameters"] = model.policy.adapter->flat.numel();
  json["r"] = c.r, json["lora_alpha"] = c.lora_alpha, json["use_rslora"] = c.use_rslora;
  json["target_modules"] = base::Json::list(c.target_modules);
  json["base"] = find_adapter_base(model.policy_path);
  return json;
}

base::Json window_json(const model::DecoderConfig& c) {
  return c.windowed.empty() ? base::Json() : base::Json(c.window);
}

// What any such file says of itself, and whether this decoder computes it.
base::Json gguf_json(const std::string& path) {
  const store::GgufFile file(path);
  base::Json json = store::describe_gguf(file);
  json["architecture"] = json.at("family");
  json["loads"] = true;
  try {
    const model::DecoderConfig c = model::from_hf_json(model::gguf_config_json(file), path);
    json["family"] = c.family, json["head_dim"] = c.head_dim, json["window"] = window_json(c);
  } catch (const Error& e) {
    if (e.code() != ErrorCode::kInput) throw;
    json["loads"] = false, json["reason"] = e.message();
  }
  return json;
}

}  // namespace

int command_info(const InfoArgs& args) {
  if (args.model.ends_with(".gguf")) {
    print_info(gguf_json(args.model), args.json);
    return 0;
  }
  const OpenedModel model = describe_model(args.model);
  const model::DecoderConfig& c = model.policy.config;
  base::Json json = base::Json::object();
  json["family"] = c.family, json["parameters"] = c.parameter_count(), json["context"] = c.context;
  json["vocab"] = c.vocab, json["layers"] = c.layers, json["width"] = c.width, json["heads"] = c.heads;
  json["kv_heads"] = c.kv_heads, json["ffn"] = c.ffn, json["tied"] = c.tied;
  json["head_dim"] = c.head_dim;
  json["window"] = window_json(c);
  json["compute"] = c.compute;
  json["path"] = model.policy_path;
  json["adapter"] = adapter_json(model);
  json["critic"] = model.critic_path.empty() ? base::Json() : base::Json(model.critic_path);
  print_info(json, args.json);
  return 0;
}

}  // namespace ponder::recipes
