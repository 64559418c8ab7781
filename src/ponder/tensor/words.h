// Memory of products: what is packed lies at the beginning of a cache line, since vectors and tiles that cross lines
// load at half the speed.
#pragma once
#include <cstdint>
#include <memory>
#include <new>

namespace ponder::tensor {

// Grows and is kept: a product must not allocate. Growing loses what was in it.
class Words {
 public:
  uint32_t* words(int64_t count) {
    if (count > size_) {
      memory_.reset(static_cast<uint32_t*>(::operator new(static_cast<size_t>(count) * sizeof(uint32_t), kLine)));
      size_ = count;
    }
    return memory_.get();
  }
  float* floats(int64_t count) { return reinterpret_cast<float*>(words(count)); }

 private:
  static constexpr std::align_val_t kLine{64};
  struct Free {
    void operator()(uint32_t* p) const { ::operator delete(p, kLine); }
  };
  std::unique_ptr<uint32_t, Free> memory_;
  int64_t size_ = 0;
};

}  // namespace ponder::tensor
