// The browser side of the pages that ponder writes, inlined from web/ when ponder is built (embed_web.cmake makes the
// .cc): one frame, and for each page its style and its script.
#pragma once
#include <string_view>

namespace ponder::eval::web {

extern const std::string_view kPage, kReportStyle, kReportScript, kTreeStyle, kTreeScript, kScalingStyle,
    kScalingScript;

}  // namespace ponder::eval::web
