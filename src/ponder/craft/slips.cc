#include "ponder/craft/slips.h"

#include <algorithm>

#include "ponder/text/words.h"

namespace ponder::craft {
namespace {

bool is_other_operation(const SlipSite& site, int value) {
  for (core::Token op : {text::kPlus, text::kMinus, text::kTimes, text::kDivide})
    if (op != site.op && text::apply_op(op, site.a, site.b) == value) return true;
  return false;
}

std::vector<int> near_results(int result) { return {result - 10, result - 1, result + 1, result + 10}; }

bool is_number_word(int value) { return value >= 0 && value <= text::kMaxNumber; }

// One of the values that are words and wrong; −1 when there is none.
int pick_wrong(std::vector<int> values, const SlipSite& site, base::Rng& rng) {
  std::erase_if(values, [&](int v) { return !is_number_word(v) || v == site.result; });
  return values.empty() ? -1 : rng.pick(values);
}

// The same for probes, without the values that a trained slip could have put there.
int pick_unlike(std::vector<int> values, const SlipSite& site, base::Rng& rng) {
  const std::vector<int> near = near_results(site.result);
  std::erase_if(values, [&](int v) { return is_other_operation(site, v) || std::ranges::count(near, v) > 0; });
  return pick_wrong(std::move(values), site, rng);
}

std::vector<int> other_results(const SlipSite& site) {
  std::vector<int> values;
  for (core::Token op : {text::kPlus, text::kMinus, text::kTimes, text::kDivide})
    if (op != site.op) values.push_back(text::apply_op(op, site.a, site.b));
  return values;
}

std::vector<int> far_results(int result) {
  std::vector<int> values;
  for (int d = 3; d <= 8; ++d) values.insert(values.end(), {result - d, result + d});
  return values;
}

std::optional<Slip> wrong_left(const SlipSite& site, base::Rng& rng) {
  std::vector<Slip> slips;
  for (size_t i = 0; i < site.rest.size(); ++i)
    for (int operand : {site.a, site.b})
      // An operand that also remains would be wrong in its place only.
      if (std::find(site.rest.begin(), site.rest.end(), operand) == site.rest.end())
        slips.push_back({static_cast<int>(i) + 2, operand});
  if (slips.empty()) return std::nullopt;
  return rng.pick(slips);
}

std::optional<Slip> far_rest(const SlipSite& site, base::Rng& rng) {
  std::vector<Slip> slips;
  for (size_t i = 0; i < site.rest.size(); ++i)
    for (int v : far_results(site.rest[i]))
      // Neither an operand, as trained slips have it, nor right in another place.
      if (is_number_word(v) && v != site.a && v != site.b && v != site.result &&
          std::ranges::count(site.rest, core::Token{v}) == 0)
        slips.push_back({static_cast<int>(i) + 2, v});
  if (slips.empty()) return std::nullopt;
  return rng.pick(slips);
}

}  // namespace

const std::vector<SlipKind>& all_slip_kinds() {
  static const std::vector<SlipKind> kinds{SlipKind::kNearResult,   SlipKind::kOtherOperation, SlipKind::kWrongLeft,
                                           SlipKind::kNearCopy,     SlipKind::kSwappedDigits,  SlipKind::kFarResult,
                                           SlipKind::kOperandAgain, SlipKind::kMiscopied,      SlipKind::kFarRest,
                                           SlipKind::kFalseVerdict};
  return kinds;
}

const char* slip_name(SlipKind kind) {
  switch (kind) {
    case SlipKind::kNearResult:
      return "near_result";
    case SlipKind::kOtherOperation:
      return "other_operation";
    case SlipKind::kWrongLeft:
      return "wrong_left";
    case SlipKind::kNearCopy:
      return "near_copy";
    case SlipKind::kSwappedDigits:
      return "swapped_digits";
    case SlipKind::kFarResult:
      return "far_result";
    case SlipKind::kOperandAgain:
      return "operand_again";
    case SlipKind::kMiscopied:
      return "miscopied";
    case SlipKind::kFarRest:
      return "far_rest";
    case SlipKind::kFalseVerdict:
      return "false_verdict";
  }
  return "near_result";
}

std::optional<Slip> draw_slip(SlipKind kind, const SlipSite& site, base::Rng& rng) {
  int r = site.result, wrong = -1, at = 0;
  switch (kind) {
    case SlipKind::kNearResult:
      wrong = pick_wrong(near_results(r), site, rng);
      break;
    case SlipKind::kOtherOperation:
      wrong = pick_wrong(other_results(site), site, rng);
      break;
    case SlipKind::kWrongLeft:
      return wrong_left(site, rng);
    case SlipKind::kNearCopy:
      if (site.rest.empty()) break;
      wrong = pick_wrong(near_results(r), site, rng);
      at = 1;
      break;
    case SlipKind::kSwappedDigits:
      // A round number would lose a digit.
      if (r % 10 > 0 && r >= 10) wrong = pick_unlike({r % 10 * 10 + r / 10}, site, rng);
      break;
    case SlipKind::kFarResult:
      wrong = pick_unlike(far_results(r), site, rng);
      break;
    case SlipKind::kOperandAgain:
      wrong = pick_unlike({site.a, site.b}, site, rng);
      break;
    case SlipKind::kMiscopied:
      if (site.rest.empty()) break;
      wrong = pick_unlike(far_results(r), site, rng);
      at = 1;
      break;
    case SlipKind::kFarRest:
      return far_rest(site, rng);
    case SlipKind::kFalseVerdict:
      break;
  }
  if (wrong < 0) return std::nullopt;
  return Slip{at, wrong};
}

}  // namespace ponder::craft
