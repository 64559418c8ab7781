#include "ponder/craft/trace.h"

namespace ponder::craft {

void TraceWriter::equation(const TraceStep& step, core::TokenSpan rest) {
  put({step.a, step.op, step.b});
  if (step.result < 0) return put({text::kNo});
  std::optional<Slip> slip;
  if (rng_.chance(slip_)) {
    auto kind = static_cast<SlipKind>(rng_.below(kTrainedSlipKinds));
    slip = draw_slip(kind, {step.a, step.op, step.b, step.result, rest}, rng_);
  }
  // A slip is read and never imitated; to doubt it and to mend it is what is learned.
  auto put_entry = [&](int at, core::Token right) {
    if (slip && slip->at == at) {
      put(slip->wrong, 0);
      put({text::kWait});
    }
    put({right});
  };
  put({text::kEquals});
  put_entry(0, step.result);
  if (rest.empty()) return;
  put({text::kComma});
  put_entry(1, step.result);
  for (size_t i = 0; i < rest.size(); ++i) put_entry(static_cast<int>(i) + 2, rest[i]);
}

}  // namespace ponder::craft
