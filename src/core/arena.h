// A bump allocator over one buffer for the intermediates of a step. `take` gives an uninitialised
// contiguous view that lives until `reset` or until a Scope made before it ends. Running out is a
// programmer error: the size is settled at start-up for the worst step. Not thread safe.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/check.h"
#include "base/checked_int.h"
#include "core/buffer.h"
#include "core/tensor_view.h"

namespace talon {

class Arena {
 public:
  explicit Arena(int64_t num_bytes, Device device = kCpuDevice) : buffer_(num_bytes, device) {}

  TensorView take(DType dtype, const Shape& shape) {
    const int64_t bytes = round_up(shape.num_elements() * dtype_bytes(dtype), kArenaAlignment);
    TALON_CHECK(used_ + bytes <= buffer_.num_bytes(),
                "the arena of {} bytes is full: {} used, {} more for {}", buffer_.num_bytes(),
                used_, bytes, to_string(shape));
    TensorView view(buffer_.data() + used_, dtype, shape, buffer_.device());
    used_ += bytes;
    high_water_ = std::max(high_water_, used_);
    return view;
  }

  void reset() { used_ = 0; }
  int64_t used() const { return used_; }
  int64_t high_water() const { return high_water_; }
  int64_t capacity() const { return buffer_.num_bytes(); }

  // Gives back all that was taken during its life.
  class Scope {
   public:
    explicit Scope(Arena& arena) : arena_(arena), mark_(arena.used_) {}
    ~Scope() { arena_.used_ = mark_; }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    Arena& arena_;
    int64_t mark_;
  };

  static constexpr int64_t kArenaAlignment = 256;  // what CUDA's own allocations have

 private:
  Buffer buffer_;
  int64_t used_ = 0;
  int64_t high_water_ = 0;
};

}  // namespace talon
