// The browser side of the report, inlined from web/report/ when ponder is built (embed_web.cmake makes the .cc).
#pragma once
#include <string_view>

namespace ponder::eval::web {

extern const std::string_view kPage, kStyle, kScript;

}  // namespace ponder::eval::web
