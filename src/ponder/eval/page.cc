#include "ponder/eval/page.h"

#include <utility>
#include <vector>

#include "ponder/base/error.h"
#include "ponder/eval/web_assets.h"

namespace ponder::eval {
namespace {

// JSON inside <script>: no text of a problem or a model may end the element, so "<" never stands there as itself.
std::string json_for_script(const base::Json& json) {
  std::string out;
  for (char c : json.dump()) {
    if (c == '<') {
      out += "\\u003c";
    } else {
      out += c;
    }
  }
  return out;
}

// One pass from front to back, so that what was filled in is never read as a placeholder.
std::string fill(std::string_view page, const std::vector<std::pair<std::string_view, std::string>>& values) {
  std::string out;
  for (const auto& [placeholder, value] : values) {
    const size_t at = page.find(placeholder);
    PONDER_CHECK(at != std::string_view::npos, "web/shared/page.html must hold ", placeholder, " in its place");
    out += page.substr(0, at);
    out += value;
    page.remove_prefix(at + placeholder.size());
  }
  out += page;
  return out;
}

}  // namespace

std::string escape_html(std::string_view text) {
  std::string out;
  for (char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string page_html(const Page& page) {
  const std::string title = escape_html(page.title);
  return fill(web::kPage, {{"{{TITLE}}", base::cat(title, " – ponder")},
                           {"{{STYLE}}", std::string(page.style)},
                           {"{{NAME}}", title},
                           {"{{PLAIN}}", page.plain},
                           {"{{DATA}}", json_for_script(page.data)},
                           {"{{SCRIPT}}", std::string(page.script)}});
}

}  // namespace ponder::eval
