#include "ponder/craft/behaviours.h"

#include <algorithm>

#include "ponder/text/format.h"

namespace ponder::craft {
namespace {

struct Place {
  size_t at = 0;  // index of the token to replace
  core::Token wrong = 0;
};

core::Token at_or(core::TokenSpan t, size_t i) { return i < t.size() ? t[i] : -1; }

// The equation whose "=" stands at i, if its first result is right.
std::optional<SlipSite> site_at(core::TokenSpan t, size_t i) {
  if (t[i] != text::kEquals || i < 3 || !text::is_number(t[i - 3]) || !text::is_op(t[i - 2]) ||
      !text::is_number(t[i - 1]))
    return std::nullopt;
  int result = text::apply_op(t[i - 2], t[i - 3], t[i - 1]);
  if (result < 0 || at_or(t, i + 1) != result) return std::nullopt;
  SlipSite site{t[i - 3], t[i - 2], t[i - 1], result, {}};
  if (at_or(t, i + 2) == text::kComma && at_or(t, i + 3) == result) {
    size_t begin = i + 4, end = begin;
    while (end < t.size() && text::is_number(t[end])) ++end;
    site.rest = t.subspan(begin, end - begin);
  }
  return site;
}

// "a op b = c ? goal yes" or "c ? goal no": does the verdict at i say whether the word before "?" is the goal?
bool is_true_verdict(core::TokenSpan t, size_t i) { return i >= 3 && (t[i] == text::kYes) == (t[i - 3] == t[i - 1]); }

std::vector<Place> slip_places(core::TokenSpan t, SlipKind kind, base::Rng& rng) {
  std::vector<Place> places;
  for (size_t i = 0; i < t.size() && t[i] != text::kAns; ++i) {
    bool verdict = (t[i] == text::kYes || t[i] == text::kNo) && i >= 2 && t[i - 2] == text::kAsk;
    if (kind == SlipKind::kFalseVerdict) {
      if (verdict && is_true_verdict(t, i)) places.push_back({i, t[i] == text::kYes ? text::kNo : text::kYes});
      continue;
    }
    auto site = site_at(t, i);
    auto slip = site ? draw_slip(kind, *site, rng) : std::nullopt;
    if (slip) places.push_back({slip->at == 0 ? i + 1 : i + 2 + slip->at, slip->wrong});
  }
  return places;
}

}  // namespace

std::optional<SlipProbe> plant_slip(const core::Problem& problem, core::TokenSpan completion, SlipKind kind,
                                    base::RngKey key) {
  base::Rng rng(key);
  std::vector<Place> places = slip_places(completion, kind, rng);
  if (places.empty()) return std::nullopt;
  Place place = rng.pick(places);
  SlipProbe probe;
  probe.prefix = text::render_prompt(text::task_tokenizer(), problem);
  probe.prefix.insert(probe.prefix.end(), completion.begin(), completion.begin() + place.at);
  probe.prefix.push_back(place.wrong);
  probe.right = completion[place.at];
  probe.doubted = at_or(completion, place.at + 1) == text::kWait;
  return probe;
}

bool is_repaired(const SlipProbe& probe, core::TokenSpan continuation) {
  return continuation.size() >= 2 && continuation[0] == text::kWait && continuation[1] == probe.right;
}

std::optional<SpoiledAnswer> spoil_answer(core::TokenSpan prompt, core::TokenSpan completion, base::RngKey key) {
  base::Rng rng(key);
  const auto ans = std::ranges::find(completion, core::Token{text::kAns});
  std::vector<int64_t> places;
  for (auto t = ans; t != completion.end() && *t != text::kSemicolon; ++t)
    if (text::is_number(*t)) places.push_back(t - completion.begin());
  if (places.empty()) return std::nullopt;
  SpoiledAnswer spoiled{{completion.begin(), completion.end()}, rng.pick(places)};
  core::Token& word = spoiled.completion[static_cast<size_t>(spoiled.at)];
  std::vector<core::Token> beside, others;
  for (int64_t place : places)
    if (completion[static_cast<size_t>(place)] != word) beside.push_back(completion[static_cast<size_t>(place)]);
  for (core::Token t : prompt)
    if (text::is_number(t) && t != word) others.push_back(t);
  const bool takes_neighbour = !beside.empty() && (others.empty() || rng.chance(0.5));
  if (!takes_neighbour && others.empty()) return std::nullopt;
  word = rng.pick(takes_neighbour ? beside : others);
  return spoiled;
}

}  // namespace ponder::craft
