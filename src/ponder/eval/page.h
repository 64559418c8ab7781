// What the pages that ponder writes have in common: one file that opens anywhere, without a network or a server. Its
// frame is web/shared/page.html.
#pragma once
#include <string>
#include <string_view>

#include "ponder/base/json.h"

namespace ponder::eval {

std::string escape_html(std::string_view text);

struct Page {
  std::string title;  // text
  std::string plain;  // markup: what a reader without JavaScript gets
  base::Json data;    // what the script reads
  std::string_view style, script;
};
std::string page_html(const Page& page);

}  // namespace ponder::eval
