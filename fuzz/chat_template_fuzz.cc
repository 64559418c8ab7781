// A template of any bytes, with a conversation of any bytes: an Error or text, within its limits. The two are divided
// by the first NUL.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "ponder/base/error.h"
#include "ponder/text/chat_template.h"

using namespace ponder::text;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const size_t cut = std::min(bytes.find('\0'), bytes.size());
  static const std::string kMessages = R"([{"role":"system","content":"s"},{"role":"user","content":"<s>ü"},
    {"role":"assistant","content":null,"tool_calls":[{"function":{"name":"f","arguments":{"a":[1,2.5,null]}}}]}])";
  JinjaLimits limits;
  limits.max_steps = 20'000;
  limits.max_mib = 4;
  limits.max_output_mib = 1;
  try {
    ChatTemplateSource source;
    source.templates.push_back({"default", std::string(bytes.substr(0, cut)), "t"});
    source.special_tokens = {{"bos_token", "<s>"}};
    const std::string chat(cut < size ? bytes.substr(cut + 1) : std::string_view(kMessages));
    const ChatTemplate chat_template(source, "model");
    const auto pieces =
        chat_template.render(parse_chat(ponder::base::Json::parse(chat), "chat"), std::tm{}, {}, limits);
    for (size_t i = 0; i < pieces.size(); ++i)
      if (pieces[i].text.empty()) __builtin_trap();
  } catch (const ponder::Error& e) {
    if (e.code() != ponder::ErrorCode::kInput) __builtin_trap();
  }
  return 0;
}
