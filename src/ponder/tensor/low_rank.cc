#include "ponder/tensor/low_rank.h"

#include <ATen/ops/cat.h>

#include "ponder/base/error.h"
#include "ponder/tensor/ops.h"

namespace ponder::tensor {

at::Tensor add_low_rank(const at::Tensor& y, const at::Tensor& x, const std::vector<LowRank>& parts) {
  if (parts.empty()) return y;
  std::vector<at::Tensor> columns;
  int64_t done = 0;
  const auto keep = [&](int64_t end) {
    if (end > done) columns.push_back(y.narrow(1, done, end - done));
    done = end;
  };
  for (const LowRank& part : parts) {
    const int64_t n = part.b.size(0);
    PONDER_CHECK(part.first >= done && part.first + n <= y.size(1), "low-rank parts must lie in order within the ",
                 y.size(1), " columns");
    keep(part.first);
    columns.push_back(y.narrow(1, done, n).add(linear(linear(x, part.a), part.b).mul(part.scale)));
    done += n;
  }
  keep(y.size(1));
  return columns.size() == 1 ? columns[0] : at::cat(columns, 1);
}

}  // namespace ponder::tensor
