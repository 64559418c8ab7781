#include "ponder/search/auto_table.h"

#include <algorithm>
#include <functional>

#include "ponder/base/error.h"
#include "ponder/base/file.h"
#include "ponder/base/rng.h"
#include "ponder/search/algorithms.h"
#include "ponder/search/strategies.h"

namespace ponder::search {

using base::Json;

namespace {

constexpr const char* kKind = "auto-table";

// Runs `read`; what goes wrong there is said of this key.
template <class Read>
auto of_key(const std::string& path, const std::string& key, const Read& read) {
  try {
    return read();
  } catch (const Error& e) {
    throw Error(ErrorCode::kInput, e.message(), base::cat(path, ":", key));
  }
}

std::string search_at(const Json& row, const std::string& path, const std::string& at, const char* bin) {
  return of_key(path, base::cat(at, ".", bin), [&] {
    const std::string& words = row.string_at(bin);
    if (words != "stop") (void)search_after_probe(words, AutoOptions());
    return words;
  });
}

}  // namespace

const AutoTable::Row& AutoTable::at(int64_t tokens) const {
  PONDER_CHECK(!budgets.empty(), "a table has at least one budget");
  const auto above = std::ranges::upper_bound(budgets, tokens, {}, &Row::tokens);
  return above == budgets.begin() ? budgets.front() : *(above - 1);
}

std::string instance_id(const std::string& canonical) { return base::hex64(base::hash64(canonical)); }

Json to_json(const AutoTable& table) {
  Json json = Json::object();
  json["kind"] = kKind, json["probe"] = table.probe, json["signal"] = "agreement";
  json["easy_at"] = table.easy_at, json["hard_at"] = table.hard_at;
  Json budgets = Json::array();
  for (const AutoTable::Row& row : table.budgets) {
    Json one = Json::object();
    one["tokens"] = row.tokens, one["easy"] = row.easy, one["middle"] = row.middle, one["hard"] = row.hard;
    budgets.push_back(std::move(one));
  }
  json["budgets"] = std::move(budgets), json["learned_on"] = Json::list(table.learned_on);
  return json;
}

AutoTable read_auto_table(const std::string& path) {
  const Json json = Json::parse(base::read_file(path), path);
  const Json* kind = json.find("kind");
  if (!kind || !kind->is_string() || kind->as_string() != kKind)
    throw Error(ErrorCode::kInput,
                base::cat("no table for auto; `ponder scaling search` writes one, whose kind is \"", kKind, "\""),
                base::cat(path, ":kind"));
  AutoTable table;
  // Numbers as auto's own options check them.
  AutoOptions options;
  for (const char* key : {"probe", "signal", "easy_at", "hard_at"})
    of_key(path, key, [&] {
      const Json& value = json.at(key);
      base::override_field(options, base::cat(key, "=", value.is_string() ? value.as_string() : value.dump()));
    });
  if (options.signal != "agreement")
    throw Error(ErrorCode::kInput, "a table is learned of agreement alone", base::cat(path, ":signal"));
  table.probe = options.probe, table.easy_at = options.easy_at, table.hard_at = options.hard_at;
  const Json::Array& rows = of_key(path, "budgets", [&] { return std::cref(json.at("budgets").as_array()); });
  if (rows.empty()) throw Error(ErrorCode::kInput, "there is no budget", base::cat(path, ":budgets"));
  for (size_t i = 0; i < rows.size(); ++i) {
    const std::string at = base::cat("budgets[", i, "]");
    AutoTable::Row row;
    row.tokens = of_key(path, base::cat(at, ".tokens"), [&] { return rows[i].int_at("tokens"); });
    if (row.tokens <= (i > 0 ? table.budgets.back().tokens : 0))
      throw Error(ErrorCode::kInput, "budgets are above 0 and grow", base::cat(path, ":", at, ".tokens"));
    row.easy = search_at(rows[i], path, at, "easy"), row.middle = search_at(rows[i], path, at, "middle");
    row.hard = search_at(rows[i], path, at, "hard");
    table.budgets.push_back(std::move(row));
  }
  of_key(path, "learned_on", [&] {
    for (const Json& id : json.at("learned_on").as_array()) table.learned_on.push_back(id.as_string());
  });
  std::ranges::sort(table.learned_on);
  return table;
}

}  // namespace ponder::search
