// Names a tensor without LibTorch's headers; enough for parameters and results in other rooms' headers.
#pragma once

namespace at {
class Tensor;
}
