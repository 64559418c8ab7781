#include "ponder/text/jinja.h"

#include <gtest/gtest.h>

#include "ponder/base/error.h"

namespace ponder::text {
namespace {

using base::Json;

std::vector<JinjaPiece> pieces_of(std::string_view source, const Json& variables = Json::object(),
                                  const JinjaLimits& limits = {}) {
  std::vector<JinjaVariable> list;
  for (const auto& [name, value] : variables.as_object()) list.push_back({name, &value});
  return JinjaTemplate(source, "t").render(list, std::tm{}, limits);
}

std::string render(std::string_view source, const std::string& variables = "{}") {
  return joined_text(pieces_of(source, Json::parse(variables)));
}

// What is refused, with its place; "rendered: …" when it is not.
std::string refusal(std::string_view source, const JinjaLimits& limits = {}) {
  try {
    return "rendered: " + joined_text(pieces_of(source, Json::object(), limits));
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kInput);
    return e.what();
  }
}

std::string repeated(std::string_view text, int n) {
  std::string out;
  for (int i = 0; i < n; ++i) out += text;
  return out;
}

TEST(Jinja, ErrorsSayWhereAndWhatWouldBeRight) {
  EXPECT_EQ(refusal("a\n  {% if x %}\nb"), "t:2:6: the template ends before {% endif %}");
  EXPECT_EQ(refusal("{{ 1 +\n }}"), "t:2:2: expected an expression, found }}");
  EXPECT_EQ(refusal("{% for x of y %}{% endfor %}"), "t:1:10: expected in, found of");
  EXPECT_EQ(refusal("é{{ nothing.here }}"), "t:1:13: nothing is undefined");
  EXPECT_EQ(refusal("{{ 1 }}\n{{ 'a' + 1 }}"), "t:2:8: str + int has no meaning");
  EXPECT_EQ(refusal("{{ raise_exception('why ' ~ 1) }}"), "t:1:19: the template refuses this conversation: why 1");
  EXPECT_EQ(refusal("{% include 'x' %}"), "t:1:4: {% include %} is not supported in chat templates");
  EXPECT_EQ(refusal("{{ 1 | nothing }}"), "t:1:8: there is no filter named nothing");
  EXPECT_EQ(refusal("{{ [1].append(2) }}"), "t:1:14: the method append changes a list, which templates may not do");
}

TEST(Jinja, WhatIsNoTemplateIsRefused) {
  const char* templates[] = {
      "{{",
      "{{ 1",
      "{{ 1 }",
      "{{ 1 %}",
      "{%",
      "{% %}",
      "{% if %}",
      "{% if 1 %}",
      "{% if 1 %}{% else %}",
      "{% if 1 %}{% endfor %}",
      "{% else %}",
      "{% endif %}",
      "{% for %}",
      "{% for x %}{% endfor %}",
      "{% for x in %}{% endfor %}",
      "{% for 1 in y %}{% endfor %}",
      "{% for x in [1] %}",
      "{% for loop in [1] %}{{ loop.index }}{% endfor %}",
      "{% for x in [1] %}{% set loop = 1 %}{{ loop }}{% endfor %}",
      "{% break %}",
      "{% for x in [1] %}{% macro m() %}{% break %}{% endmacro %}{% endfor %}",
      "{% set %}",
      "{% set x %}",
      "{% set 1 = 2 %}",
      "{% set true = 2 %}",
      "{% set x = %}",
      "{% set x.y.z = 1 %}",
      "{% set x, = 1, %}",
      "{% macro %}{% endmacro %}",
      "{% macro m %}{% endmacro %}",
      "{% macro m(a=1, b) %}{% endmacro %}",
      "{% macro m(a) %}",
      "{% call %}{% endcall %}",
      "{% call 1 %}{% endcall %}",
      "{% filter %}{% endfilter %}",
      "{% generation %}",
      "{% endgeneration %}",
      "{% nosuch %}",
      "{% raw %}",
      "{# open",
      "{{ 'open }}",
      "{{ \"open }}",
      "{{ '\\x1' }}",
      "{{ '\\ud800' }}",
      "{{ ( }}",
      "{{ ) }}",
      "{{ [1 }}",
      "{{ {1} }}",
      "{{ {1: } }}",
      "{{ (1] }}",
      "{{ a b }}",
      "{{ 1 2 }}",
      "{{ .5 }}",
      "{{ a. }}",
      "{{ a[] }}",
      "{{ a[1:2, 3] }}",
      "{{ f(a=1, 2) }}",
      "{{ f(a=1, a=2) }}",
      "{{ f(**a, b=1) }}",
      "{{ f(*a, *b) }}",
      "{{ 1 | }}",
      "{{ 1 is }}",
      "{{ 1 is is }}",
      "{{ 1 if }}",
      "{{ not }}",
      "{{ 1 + }}",
      "{{ ü }}",
      "{{ 1 $ 2 }}",
      "{{ 99999999999999999999 }}",
      "{% extends 'a' %}",
      "{% import 'a' as b %}",
      "{% block a %}{% endblock %}",
      "{% autoescape true %}{% endautoescape %}",
      "{% set x | nosuch %}{% endset %}",
      "\xFF",
      "{{ '\xC3' }}",
  };
  for (const char* source : templates) EXPECT_THROW(JinjaTemplate(source, "t"), Error) << source;
}

TEST(Jinja, WhatPythonRefusesIsRefused) {
  const char* templates[] = {
      "{{ nothing.a }}",
      "{{ nothing[0] }}",
      "{{ nothing() }}",
      "{{ nothing + 1 }}",
      "{{ -nothing }}",
      "{{ nothing < 1 }}",
      "{{ none + 1 }}",
      "{{ 'a' + 1 }}",
      "{{ 'a' - 'b' }}",
      "{{ [] + () }}",
      "{{ 1 < 'a' }}",
      "{{ none < none }}",
      "{{ 1 / 0 }}",
      "{{ 1 // 0 }}",
      "{{ 1 % 0 }}",
      "{{ 1.0 / 0 }}",
      "{{ 0 ** -1 }}",
      "{{ {[]: 1} }}",
      "{{ {} < {} }}",
      "{{ 1 in 2 }}",
      "{{ 1 in 'a' }}",
      "{{ [] in {} }}",
      "{{ 5 | length }}",
      "{{ none | length }}",
      "{{ none | list }}",
      "{{ 5 | join }}",
      "{% for x in 5 %}{% endfor %}",
      "{% for x in none %}{% endfor %}",
      "{% for a, b in [1] %}{% endfor %}",
      "{% for a, b in [(1, 2, 3)] %}{% endfor %}",
      "{% set a, b = 1 %}",
      "{% set x = 1 %}{% set x.a = 1 %}",
      "{% set n = namespace() %}{% set n._a = 1 %}",
      "{{ [1].append(2) }}",
      "{{ {}.update({}) }}",
      "{{ {}.pop('a') }}",
      "{{ [1].sort() }}",
      "{{ 'a'.nosuch() }}",
      "{{ 1() }}",
      "{{ 'a'() }}",
      "{{ range(0, 1, 0) }}",
      "{{ range('a') }}",
      "{{ range(1000000) }}",
      "{{ [1, 'a'] | sort }}",
      "{{ [1, none] | max }}",
      "{{ {} | tojson | fromjson }}",
      "{{ nothing | tojson }}",
      "{{ range(3) | tojson }}",
      "{{ namespace() | tojson }}",
      "{{ {(1, 2): 3} | tojson }}",
      "{{ 'x' | tojson(nosuch=1) }}",
      "{{ 'a'.split('') }}",
      "{{ 'a'.split(1) }}",
      "{{ 'a'.join([1]) }}",
      "{{ 'a'.index('b') }}",
      "{{ [1].index(2) }}",
      "{{ 'a'.startswith(1) }}",
      "{{ 'abc'[::0] }}",
      "{{ 'abc'['a':] }}",
      "{{ {}[1:] }}",
      "{{ 5[1:] }}",
      "{{ '%d' % 'a' }}",
      "{{ '%s' }}{{ '%s' % () }}",
      "{{ '%s' % (1, 2) }}",
      "{{ '%(a)s' % 1 }}",
      "{{ '%q' % 1 }}",
      "{{ '{}'.format() }}",
      "{{ '{a}'.format() }}",
      "{{ '{'.format() }}",
      "{{ '}'.format() }}",
      "{{ '{} {0}'.format(1) }}",
      "{% macro m(a) %}{% endmacro %}{{ m(1, 2) }}",
      "{% macro m(a) %}{% endmacro %}{{ m(b=1) }}",
      "{% macro m(a) %}{% endmacro %}{{ m(1, a=2) }}",
      "{{ loop.index }}",
      "{{ caller() }}",
      "{% for x in [1] %}{{ loop([2]) }}{% endfor %}",
      "{% for x in [1] %}{{ loop.cycle() }}{% endfor %}",
      "{{ [] | first + 1 }}",
      "{{ 5 | items | list }}",
      "{{ none | dictsort }}",
      "{{ [[]] | unique | list }}",
      "{{ 1 is nosuch if true }}",
      "{{ raise_exception() }}",
      "{{ strftime_now(1) }}",
      "{{ dict([1]) }}",
      "{{ 'a' is divisibleby 2 }}",
      "{{ 1 | round(0, 'up') }}",
      "{{ 'abc' | truncate(1) }}",
      "{{ lipsum() }}",
      "{{ ('a' | map('nosuch') | list) if true }}",
      "{{ 'a' | indent(none) }}",
      "{{ 1 | indent }}",
      "{{ 9223372036854775807 + 1 }}",
      "{{ 10 ** 30 }}",
      "{{ (-9223372036854775807 - 1) // -1 }}",
  };
  for (const char* source : templates) {
    const std::string message = refusal(source);
    EXPECT_TRUE(message.starts_with("t:1:")) << source << "\n" << message;
  }
}

TEST(Jinja, HostileTemplatesEnd) {
  JinjaLimits small;
  small.max_steps = 200'000;
  small.max_mib = 8;
  small.max_output_mib = 1;
  const std::string templates[] = {
      "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
      "{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}{{ a() }}{% endmacro %}{{ a() }}",
      "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
      "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
      "{{ 'x' * 1000000000 }}",
      "{{ [0] * 1000000000 }}",
      "{% set n = namespace(x='ab') %}{% for i in range(99) %}{% set n.x = n.x + n.x %}{% endfor %}",
      "{% set n = namespace(x=[1]) %}{% for i in range(99) %}{% set n.x = n.x + n.x %}{% endfor %}",
      "{% set n = namespace(x=[1]) %}{% for i in range(99) %}{% set n.x = [n.x, n.x] %}{% endfor %}{{ n.x }}",
      "{% set n = namespace(x=[1], y=[1]) %}{% for i in range(60) %}{% set n.x = [n.x, n.x] %}{% set n.y = [n.y, n.y] "
      "%}"
      "{% endfor %}{{ n.x == n.y }}",
      "{% set n = namespace(x=1) %}{% for i in range(9999) %}{% set n.x = [n.x] %}{% endfor %}{{ n.x }}",
      "{% set n = namespace(x=1) %}{% for i in range(9999) %}{% set n.x = {'a': n.x} %}{% endfor %}{{ n.x | tojson }}",
      "{% set n = namespace(x=[1]) %}{% for i in range(9999) %}{% set n.x = n.x | map('string') %}{% endfor %}"
      "{{ n.x | list }}",
      "{% set n = namespace() %}{% set n.me = n %}{{ n }}",
      "{{ 'a' | replace('', 'x' * 100000) | replace('x', 'y' * 1000) }}",
      "{{ '%999999999d' % 1 }}",
      "{{ '{:999999999}'.format(1) }}",
      "{{ '%.*f' % (999999999, 1.0) }}",
      "{{ 'a'.center(1000000000) }}",
      "{{ 'a'.zfill(1000000000) }}",
      "{{ 'a' | indent(1000000000) }}",
      "{{ 2 ** 1000000000 }}",
      "{{ [1] | tojson(indent=1000000000) }}",
      "{{ " + repeated("(", 5000) + "1" + repeated(")", 5000) + " }}",
      "{{ " + repeated("[", 5000) + repeated("]", 5000) + " }}",
      "{{ " + repeated("not ", 5000) + "1 }}",
      "{{ " + repeated("- ", 5000) + "1 }}",
      "{{ 1" + repeated(" + 1", 5000) + " }}",
      "{{ 1" + repeated(" if 1 else 1", 5000) + " }}",
      "{{ x" + repeated(".x", 5000) + " }}",
      "{{ 'x'" + repeated(" | upper", 5000) + " }}",
      "{{ f" + repeated("()", 5000) + " }}",
      repeated("{% if 1 %}", 5000) + repeated("{% endif %}", 5000),
      repeated("{% for x in [1] %}", 5000) + repeated("{% endfor %}", 5000),
      repeated("{% macro m() %}", 5000) + repeated("{% endmacro %}", 5000),
      "{% set n = namespace(s='') %}{% for i in range(99999) %}{% set n.s = n.s ~ 'xxxxxxxxxx' %}{% endfor %}",
      "{% for i in range(99999) %}" + repeated("x", 1000) + "{% endfor %}",
      "{% for i in range(99999) %}{% set x = range(99999) | list %}{% endfor %}",
      "{% set d = dict() %}{% for i in range(99999) %}{% set x = {" + repeated("i: i, ", 500) +
          "'a': [i]} %}{% endfor %}",
      "{{ strftime_now('%A' * 1000) }}",
      "{{ [range(99999) | list] * 999 | sum(start=[]) }}",
  };
  for (const std::string& source : templates) {
    const std::string message = refusal(source, small);
    EXPECT_TRUE(message.starts_with("t:1:")) << source.substr(0, 100) << "\n" << message.substr(0, 200);
  }
}

TEST(Jinja, DeepRecursionFitsTheStackOfAThread) {
  // As deep as is allowed, through the parts of the interpreter that need most of the stack.
  std::string body = "{{ m(n + 1) }}";
  for (int i = 0; i < 20; ++i) body = "{% if true %}{% for x in [1] %}" + body + "{% endfor %}{% endif %}";
  EXPECT_NE(refusal("{% macro m(n) %}" + body + "{% endmacro %}{{ m(0) }}").find("deeper than is supported"),
            std::string::npos);
  std::string chain = "m(n)";
  for (int i = 0; i < 40; ++i) chain = "([" + chain + "] | map('string') | join ~ '')";
  EXPECT_NE(refusal("{% macro m(n) %}{{ " + chain + " }}{% endmacro %}{{ m(0) }}").find("deeper than is supported"),
            std::string::npos);
}

TEST(Jinja, TextKeepsWhereItCameFrom) {
  const Json variables = Json::parse(R"({"u":"<x>","l":["a","b"],"d":{"k":"v"}})");
  const auto pieces = [&](const char* source) { return pieces_of(source, variables); };
  using P = std::vector<JinjaPiece>;
  const JinjaPiece x{"<x>", true};
  EXPECT_EQ(pieces("[{{ u }}]"), (P{{"["}, x, {"]"}}));
  EXPECT_EQ(pieces("{{ '[' + u + ']' }}"), (P{{"["}, x, {"]"}}));
  EXPECT_EQ(pieces("{{ '[' ~ u ~ ']' }}"), (P{{"["}, x, {"]"}}));
  EXPECT_EQ(pieces("{{ ('[' ~ u ~ ']')[1:-1] }}"), (P{x}));
  EXPECT_EQ(pieces("{{ ('[' ~ u ~ ']') | upper }}"), (P{{"["}, {"<X>", true}, {"]"}}));
  EXPECT_EQ(pieces("{{ '%s!' % u }}{{ '{}?'.format(u) }}"), (P{x, {"!"}, x, {"?"}}));
  EXPECT_EQ(pieces("{{ 'a-b'.replace('-', u) }}"), (P{{"a"}, x, {"b"}}));
  EXPECT_EQ(pieces("{{ l | join('+') }}"), (P{{"a", true}, {"+"}, {"b", true}}));
  EXPECT_EQ(pieces("{{ ('(' ~ u ~ ')').split('<')[1] }}"), (P{{"x>", true}, {")"}}));
  EXPECT_EQ(pieces("{{ u | tojson }}"), (P{{"\""}, x, {"\""}}));
  EXPECT_EQ(pieces("{{ d }}"), (P{{"{'"}, {"k", true}, {"': '"}, {"v", true}, {"'}"}}));
  EXPECT_EQ(pieces("{% set s %}[{{ u }}]{% endset %}{{ s | trim }}"), (P{{"["}, x, {"]"}}));
  EXPECT_EQ(pieces("{% macro m(a) %}[{{ a }}]{% endmacro %}{{ m(u) }}"), (P{{"["}, x, {"]"}}));
  EXPECT_EQ(pieces("{{ u | indent(1, true) }}"), (P{{" "}, x}));
  EXPECT_EQ(pieces("{{ u[::-1] }}{{ u | first }}{{ u | e }}"), (P{{">x<<&lt;x&gt;", true}}));
  EXPECT_EQ(pieces("a{% generation %}b{{ u }}{% endgeneration %}c"),
            (P{{"a"}, {"b", false, true}, {"<x>", true, true}, {"c"}}));
}

TEST(Jinja, ScopesAreThoseOfTheCompiler) {
  // What is set after its use in a scope is undefined there, whatever the rendering brought.
  EXPECT_EQ(render("{% macro m() %}{{ x }}{% endmacro %}{{ m() }}{% set x = 2 %}{{ m() }}", R"({"x":1})"), "2");
  EXPECT_EQ(render("{{ x }}{% set x = 2 %}{{ x }}", R"({"x":1})"), "12");
  EXPECT_EQ(render("{% for i in [1, 2] %}{{ x }}{% set x = i %}{{ x }}{% endfor %}{{ x }}", R"({"x":0})"), "01020");
  EXPECT_EQ(render("{% if y %}{% set x = 1 %}{% endif %}{{ x }}", R"({"x":7,"y":false})"), "7");
  EXPECT_EQ(render("{% set x = 1 %}{% macro m(x=x) %}{{ x }}{% endmacro %}{{ m() }}"), "");
}

TEST(Jinja, OneTemplateRendersOften) {
  const JinjaTemplate t("{{ x }}{% set x = 1 %}", "t");
  for (int i = 0; i < 3; ++i) {
    const Json x(i);
    EXPECT_EQ(joined_text(t.render({{"x", &x}}, std::tm{})), std::to_string(i));
  }
}

}  // namespace
}  // namespace ponder::text
