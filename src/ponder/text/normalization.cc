#include "ponder/text/normalization.h"

#include <algorithm>
#include <unordered_map>

#include "ponder/text/unicode.h"
#include "ponder/text/unicode_tables.h"

namespace ponder::text {
namespace {

// Hangul syllables compose by arithmetic (The Unicode Standard 9.0, section 3.12).
constexpr char32_t kSyllables = 0xAC00, kLeads = 0x1100, kVowels = 0x1161, kTails = 0x11A7;
constexpr char32_t kLeadCount = 19, kVowelCount = 21, kTailCount = 28, kSyllableCount = 11172;

// What normalisation asks about a code point; most of Unicode has none of it.
struct Traits {
  uint8_t combining_class = 0;
  const Decomposition* canonical = nullptr;
  const Decomposition* compatible = nullptr;
  bool is_second = false;     // composes with something before it
  bool is_composite = false;  // is what two code points compose to
};

class NormalizationData {
 public:
  NormalizationData() {
    for (size_t i = 0; i < kCombiningRunsSize; ++i) {
      if ((kCombiningRuns[i] & 0xFF) == 0) continue;
      for (uint32_t c = kCombiningRuns[i] >> 8; c < kCombiningRuns[i + 1] >> 8; ++c)  // the last run is of class 0
        traits_[c].combining_class = kCombiningRuns[i] & 0xFF;
    }
    for (size_t i = 0; i < kCanonicalSize; ++i) traits_[kCanonical[i].from].canonical = &kCanonical[i];
    for (size_t i = 0; i < kCompatibleSize; ++i) traits_[kCompatible[i].from].compatible = &kCompatible[i];
    for (size_t i = 0; i < kCompositionsSize; ++i) {
      const Composition& c = kCompositions[i];
      traits_[c.second].is_second = true;
      traits_[c.to].is_composite = true;
      compositions_[uint64_t{c.first} << 32 | c.second] = c.to;
    }
    for (char32_t c = kVowels; c < kVowels + kVowelCount; ++c) traits_[c].is_second = true;
    for (char32_t c = kTails + 1; c < kTails + kTailCount; ++c) traits_[c].is_second = true;
  }

  const Traits& traits(char32_t c) const {
    static const Traits none;
    const auto found = traits_.find(c);
    return found == traits_.end() ? none : found->second;
  }

  char32_t compose(char32_t first, char32_t second) const {  // 0: they do not
    if (first >= kLeads && first < kLeads + kLeadCount && second >= kVowels && second < kVowels + kVowelCount)
      return kSyllables + ((first - kLeads) * kVowelCount + (second - kVowels)) * kTailCount;
    const bool is_open =
        first >= kSyllables && first < kSyllables + kSyllableCount && (first - kSyllables) % kTailCount == 0;
    if (is_open && second > kTails && second < kTails + kTailCount) return first + (second - kTails);
    const auto found = compositions_.find(uint64_t{first} << 32 | second);
    return found == compositions_.end() ? 0 : found->second;
  }

 private:
  std::unordered_map<char32_t, Traits> traits_;
  std::unordered_map<uint64_t, char32_t> compositions_;
};

const NormalizationData& data() {
  static const NormalizationData instance;
  return instance;
}

bool is_compatibility(NormalForm form) { return form == NormalForm::kNfkc || form == NormalForm::kNfkd; }
bool is_composed(NormalForm form) { return form == NormalForm::kNfc || form == NormalForm::kNfkc; }

struct DecomposedPoint : NormalizedPoint {
  uint8_t combining_class;
};

void decompose(char32_t c, uint32_t begin, uint32_t end, bool compatibility, std::vector<DecomposedPoint>& out) {
  const auto push = [&](char32_t to) { out.push_back({{to, begin, end}, data().traits(to).combining_class}); };
  if (c < 0x80) return out.push_back({{c, begin, end}, 0});
  if (c >= kSyllables && c < kSyllables + kSyllableCount) {
    const char32_t index = c - kSyllables;
    push(kLeads + index / (kVowelCount * kTailCount));
    push(kVowels + index / kTailCount % kVowelCount);
    if (index % kTailCount) push(kTails + index % kTailCount);
    return;
  }
  const Traits& traits = data().traits(c);
  const Decomposition* to = compatibility && traits.compatible ? traits.compatible : traits.canonical;
  if (!to) return out.push_back({{c, begin, end}, traits.combining_class});
  for (uint16_t i = 0; i < to->length; ++i) push(kDecomposed[to->begin + i]);
}

// Marks between starters go into the order of their classes.
void reorder(std::vector<DecomposedPoint>& points) {
  const auto is_before = [](const auto& a, const auto& b) { return a.combining_class < b.combining_class; };
  for (size_t i = 0; i < points.size();) {
    if (points[i].combining_class == 0) {
      ++i;
      continue;
    }
    size_t end = i;
    while (end < points.size() && points[end].combining_class != 0) ++end;
    std::stable_sort(points.begin() + i, points.begin() + end, is_before);
    i = end;
  }
}

// Each mark joins the last starter unless something of its class or a higher one stands between (UAX #15, D117).
void compose(std::vector<DecomposedPoint>& points) {
  constexpr size_t kNone = SIZE_MAX;
  size_t kept = 0, starter = kNone;
  int last_class = -1;  // of what was kept behind the starter; −1: nothing
  for (const DecomposedPoint& point : points) {
    if (starter != kNone && last_class < int{point.combining_class}) {
      if (const char32_t to = data().compose(points[starter].value, point.value)) {
        points[starter].value = to;
        points[starter].begin = std::min(points[starter].begin, point.begin);
        points[starter].end = std::max(points[starter].end, point.end);
        continue;
      }
    }
    if (point.combining_class == 0) {
      starter = kept;
      last_class = -1;
    } else {
      last_class = point.combining_class;
    }
    points[kept++] = point;
  }
  points.resize(kept);
}

}  // namespace

bool is_surely_normal(std::string_view text, NormalForm form) {
  int last_class = 0;
  for (size_t at = 0; at < text.size();) {
    if (static_cast<unsigned char>(text[at]) < 0x80) {
      last_class = 0;
      ++at;
      continue;
    }
    const CodePoint c = code_point_at(text, at);
    at += c.length;
    const bool is_ideograph = c.value >= 0x3400 && c.value < 0xA000;
    const bool is_syllable = c.value >= kSyllables && c.value < kSyllables + kSyllableCount;
    if (is_syllable && !is_composed(form)) return false;
    if (is_ideograph || is_syllable) {
      last_class = 0;
      continue;
    }
    const Traits& traits = data().traits(c.value);
    if (is_compatibility(form) && traits.compatible) return false;
    if (is_composed(form) ? traits.is_second : traits.canonical != nullptr) return false;
    if (traits.canonical && !traits.is_composite) return false;
    if (traits.combining_class != 0 && traits.combining_class < last_class) return false;
    last_class = traits.combining_class;
  }
  return true;
}

std::vector<NormalizedPoint> normalize(std::string_view text, NormalForm form) {
  std::vector<DecomposedPoint> points;
  points.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const CodePoint c = code_point_at(text, at);
    const auto begin = static_cast<uint32_t>(at), end = static_cast<uint32_t>(at + c.length);
    decompose(c.value, begin, end, is_compatibility(form), points);
    at = end;
  }
  reorder(points);
  if (is_composed(form)) compose(points);
  return {points.begin(), points.end()};
}

}  // namespace ponder::text
