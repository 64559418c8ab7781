// Where tensors live and how many threads LibTorch may use. Called once by recipes at the start of a command.
#pragma once
#include <c10/core/Device.h>

#include <string>

namespace ponder::tensor {

// "cpu", "cuda", "cuda:1" or "auto" (a GPU when LibTorch sees one). Error(kUsage) for another name
// and for a GPU that is not there.
c10::Device resolve_device(const std::string& name);

// LibTorch's threads within one operator. Ponder's parallelism is one worker a core, each with its own engine or
// gradient, so this is 1 in every command; more would also change the order of sums, and with it bits.
void set_operator_threads(int n);

}  // namespace ponder::tensor
