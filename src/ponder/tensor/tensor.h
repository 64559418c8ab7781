// A complete at::Tensor, for headers whose structs hold one. Operators come from ATen/ops/<op>.h in .cc files.
#pragma once
#include <ATen/core/Tensor.h>
