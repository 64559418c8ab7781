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

// One of the values that lie in 0 … 99, are wrong and (for probes) look like no trained slip; −1 when there is none.
int pick_wrong(std::vector<int> values, const SlipSite& site, bool unlike_trained, base::Rng& rng) {
  std::erase_if(values, [&](int v) {
    return v < 0 || v > text::kMaxNumber || v == site.result || (unlike_trained && is_other_operation(site, v));
  });
  return values.empty() ? -1 : rng.pick(values);
}

std::vector<int> other_results(const SlipSite& site) {
  std::vector<int> values;
  for (core::Token op : {text::kPlus, text::kMinus, text::kTimes, text::kDivide})
    if (op != site.op) values.push_back(text::apply_op(op, site.a, site.b));
  return values;
}

std::vector<int> near_results(int result) { return {result - 10, result - 1, result + 1, result + 10}; }

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

}  // namespace

const std::vector<SlipKind>& all_slip_kinds() {
  static const std::vector<SlipKind> kinds{SlipKind::kNearResult,   SlipKind::kOtherOperation, SlipKind::kWrongLeft,
                                           SlipKind::kNearCopy,     SlipKind::kSwappedDigits,  SlipKind::kFarResult,
                                           SlipKind::kOperandAgain, SlipKind::kMiscopied,      SlipKind::kFalseVerdict};
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
    case SlipKind::kFalseVerdict:
      return "false_verdict";
  }
  return "near_result";
}

std::optional<Slip> draw_slip(SlipKind kind, const SlipSite& site, base::Rng& rng) {
  int r = site.result, wrong = -1, at = 0;
  switch (kind) {
    case SlipKind::kNearResult:
      wrong = pick_wrong(near_results(r), site, false, rng);
      break;
    case SlipKind::kOtherOperation:
      wrong = pick_wrong(other_results(site), site, false, rng);
      break;
    case SlipKind::kWrongLeft:
      return wrong_left(site, rng);
    case SlipKind::kNearCopy:
      if (site.rest.empty()) break;
      wrong = pick_wrong(near_results(r), site, false, rng);
      at = 1;
      break;
    case SlipKind::kSwappedDigits:
      // A round number would lose a digit.
      if (r % 10 > 0 && r >= 10) wrong = pick_wrong({r % 10 * 10 + r / 10}, site, true, rng);
      break;
    case SlipKind::kFarResult:
      wrong = pick_wrong(far_results(r), site, true, rng);
      break;
    case SlipKind::kOperandAgain:
      wrong = pick_wrong({site.a, site.b}, site, true, rng);
      break;
    case SlipKind::kMiscopied:
      if (site.rest.empty()) break;
      wrong = pick_wrong(far_results(r), site, true, rng);
      at = 1;
      break;
    case SlipKind::kFalseVerdict:
      break;
  }
  if (wrong < 0) return std::nullopt;
  return Slip{at, wrong};
}

}  // namespace ponder::craft
