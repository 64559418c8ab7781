// Chat templates are Jinja. This engine renders the part of the language that they use, byte for byte as Jinja2 does in
// the sandbox that transformers runs it in; what it does not know is an error, never a guess. Used by chat_template.
// A template is code from strangers: its length (2 MiB), steps, memory and depth are bounded, and it reaches nothing
// but its variables.
#pragma once
#include <cstdint>
#include <ctime>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ponder/base/json.h"

namespace ponder::text {

struct JinjaLimits {
  int64_t max_steps = 20'000'000;  // about a second
  int64_t max_mib = 256;           // of values, over the whole rendering
  int64_t max_output_mib = 64;
};

// A stretch of the result.
struct JinjaPiece {
  std::string text;
  bool is_input = false;       // from the variables: special tokens in it are only text
  bool is_generation = false;  // inside {% generation %}
  bool operator==(const JinjaPiece&) const = default;
};

struct JinjaVariable {
  std::string name;
  const base::Json* value;  // borrowed while rendering
  bool is_input = true;     // false: its text counts as the template's own (bos_token and the like)
  // Parts of a list of objects that count as the template's own all the same:
  std::vector<bool> own_items = {};  // these items
  std::string own_words_key = {};    // what stands under this key, where it is made of ASCII letters, digits, _ and -
};

class JinjaTemplate {
 public:
  // where: starts the place of every error, for example the file's name. Error(kInput, …, "where:line:column") for what
  // is not Jinja, with what was expected.
  JinjaTemplate(std::string_view source, std::string where);
  ~JinjaTemplate();
  JinjaTemplate(JinjaTemplate&&) noexcept;
  JinjaTemplate& operator=(JinjaTemplate&&) noexcept;

  // now: what strftime_now() tells. Neighbouring pieces differ in a flag; no piece is empty. Error(kInput) for what the
  // template refuses (raise_exception) and for what it does wrong, at the place in the template.
  std::vector<JinjaPiece> render(const std::vector<JinjaVariable>& variables, const std::tm& now,
                                 const JinjaLimits& limits = {}) const;
  bool has_generation() const;                         // {% generation %} stands somewhere in it
  bool mentions(std::string_view text) const;          // in its source
  const std::string& where() const { return where_; }  // as given

 private:
  struct Parsed;
  std::unique_ptr<Parsed> parsed_;
  std::string where_;
};

std::string joined_text(const std::vector<JinjaPiece>& pieces);

}  // namespace ponder::text
