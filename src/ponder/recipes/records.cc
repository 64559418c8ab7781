#include "ponder/recipes/records.h"

#include <array>
#include <bit>
#include <charconv>
#include <cstring>

#include "ponder/base/error.h"
#include "ponder/tasks/task.h"

namespace ponder::recipes {
namespace {

static_assert(std::endian::native == std::endian::little, "log-probs are stored as little-endian floats");

constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

constexpr std::array<int8_t, 256> make_values() {
  std::array<int8_t, 256> values{};
  values.fill(-1);
  for (size_t i = 0; i < kAlphabet.size(); ++i)
    values[static_cast<unsigned char>(kAlphabet[i])] = static_cast<int8_t>(i);
  return values;
}
constexpr std::array<int8_t, 256> kValues = make_values();

[[noreturn]] void bad(const std::string& message) { throw Error(ErrorCode::kInput, message); }

base::RngKey key_from(const std::string& hex) {
  uint64_t value = 0;
  const auto [end, ec] = std::from_chars(hex.data(), hex.data() + hex.size(), value, 16);
  if (ec != std::errc() || end != hex.data() + hex.size() || hex.size() != 16)
    bad(base::cat("\"key\" is \"", hex, "\"; it must be 16 hexadecimal digits"));
  return base::RngKey(value);
}

template <class Kind>
Kind named(const char* key, const std::string& name, const char* (*name_of)(Kind), Kind last) {
  for (int i = 0; i <= static_cast<int>(last); ++i)
    if (name == name_of(static_cast<Kind>(i))) return static_cast<Kind>(i);
  bad(base::cat("\"", key, "\" is \"", name, "\", which it cannot be"));
}

core::Tokens tokens_at(const base::Json& row, const char* key) {
  const std::vector<int64_t> ids = row.ints_at(key);
  return {ids.begin(), ids.end()};
}

core::Trajectory trajectory_from(const base::Json& row) {
  core::Trajectory t;
  t.prompt = tokens_at(row, "prompt");
  t.tokens = tokens_at(row, "tokens");
  t.logp_behavior = decode_floats(row.string_at("logp"));
  if (t.logp_behavior.size() != t.tokens.size())
    bad(base::cat("\"logp\" holds ", t.logp_behavior.size(), " numbers for ", t.tokens.size(), " tokens"));
  t.policy_version = row.int_at("policy_version");
  t.stop = named("stop", row.string_at("stop"), core::stop_reason_name, core::StopReason::kDeadline);
  t.key = key_from(row.string_at("key"));
  return t;
}

// Rows of one group follow each other; the first one's problem stands for all.
void add_row(const base::Json& row, std::vector<core::Group>& groups) {
  const int64_t group = row.int_at("group");
  if (group == static_cast<int64_t>(groups.size())) {
    core::Item item = tasks::find_task(row.string_at("task")).parse(row.at("problem"), "");
    groups.push_back({std::move(item)});
  }
  if (group + 1 != static_cast<int64_t>(groups.size())) bad(base::cat("\"group\" ", group, " is out of order"));
  core::Group& g = groups.back();
  if (row.int_at("sample") != static_cast<int64_t>(g.trajectories.size())) bad("\"sample\" is out of order");
  g.trajectories.push_back(trajectory_from(row));
  core::Verdict verdict;
  verdict.kind = named("verdict", row.string_at("verdict"), core::verdict_name, core::VerdictKind::kCannotJudge);
  verdict.extracted = row.string_at("answer");
  g.verdicts.push_back(std::move(verdict));
  g.reward_parts.emplace_back();
  for (const auto& [name, value] : row.at("reward_parts").as_object())
    g.reward_parts.back().push_back({name, value.as_double()});
  g.rewards.push_back(static_cast<float>(row.double_at("reward")));
  g.advantages.push_back(static_cast<float>(row.double_at("advantage")));
}

}  // namespace

std::string encode_floats(const std::vector<float>& values) {
  std::string bytes(values.size() * sizeof(float), '\0');
  if (!values.empty()) std::memcpy(bytes.data(), values.data(), bytes.size());
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t group = 0;
    for (size_t k = 0; k < 3; ++k)
      group = group << 8 | (i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0u);
    for (size_t k = 0; k < 4; ++k) text += i + k <= bytes.size() ? kAlphabet[group >> (18 - 6 * k) & 63] : '=';
  }
  return text;
}

std::vector<float> decode_floats(const std::string& text) {
  const size_t padding = text.ends_with("==") ? 2 : text.ends_with("=") ? 1 : 0;
  const size_t size = text.size() / 4 * 3 - padding;
  if (text.size() % 4 != 0 || size % sizeof(float) != 0) bad("\"logp\" is no base64 of whole 32-bit floats");
  std::string bytes;
  bytes.reserve(size + 2);
  for (size_t i = 0; i < text.size(); i += 4) {
    uint32_t group = 0;
    for (size_t k = 0; k < 4; ++k) {
      const bool is_padding = i + k >= text.size() - padding;
      const int value = is_padding ? 0 : kValues[static_cast<unsigned char>(text[i + k])];
      if (value < 0) bad(base::cat("\"logp\" has a character at ", i + k, " that base64 does not know"));
      group = group << 6 | static_cast<uint32_t>(value);
    }
    for (int shift = 16; shift >= 0; shift -= 8) bytes += static_cast<char>(group >> shift & 255);
  }
  std::vector<float> values(size / sizeof(float));
  if (size > 0) std::memcpy(values.data(), bytes.data(), size);
  return values;
}

std::vector<base::Json> rollout_rows(const std::string& stage, int64_t step, const std::vector<core::Group>& groups) {
  std::vector<base::Json> rows;
  for (size_t p = 0; p < groups.size(); ++p) {
    const core::Group& g = groups[p];
    const base::Json problem = tasks::find_task(g.item.problem.task).to_row(g.item);
    for (size_t i = 0; i < g.trajectories.size(); ++i) {
      const core::Trajectory& t = g.trajectories[i];
      base::Json row = base::Json::object();
      row["stage"] = stage, row["step"] = step, row["group"] = p, row["sample"] = i;
      row["task"] = g.item.problem.task, row["problem"] = problem;
      row["prompt"] = base::Json::list(t.prompt), row["tokens"] = base::Json::list(t.tokens);
      row["logp"] = encode_floats(t.logp_behavior);
      row["policy_version"] = t.policy_version, row["key"] = base::hex64(t.key.value);
      row["stop"] = core::stop_reason_name(t.stop);
      row["verdict"] = core::verdict_name(g.verdicts[i].kind), row["answer"] = g.verdicts[i].extracted;
      base::Json& parts = row["reward_parts"] = base::Json::object();
      for (const core::RewardPart& part : g.reward_parts[i]) parts[part.name] = part.value;
      row["reward"] = g.rewards[i], row["advantage"] = g.advantages[i];
      rows.push_back(std::move(row));
    }
  }
  return rows;
}

std::vector<core::Group> read_rollouts(const std::string& run_dir, const store::RecordBlock& block) {
  std::vector<core::Group> groups;
  int64_t number = 0;
  for (const base::Json& row : store::read_records(run_dir, kRollouts, block)) {
    ++number;
    try {
      add_row(row, groups);
    } catch (const Error& e) {
      throw Error(ErrorCode::kInput, e.message(),
                  base::cat(base::join_path(run_dir, kRollouts), ".jsonl.zst: ", block.stage, " step ", block.step,
                            ", row ", number));
    }
  }
  return groups;
}

}  // namespace ponder::recipes
