// Move-only host memory that exchanges data with a device: page-locked and mapped for a CUDA
// device, so that copies run beside the host and kernels may write into it; plain memory for the
// CPU. Contents start as zeros.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/buffer.h"
#include "core/device.h"
#include "core/tensor_view.h"

namespace talon {

class HostBuffer {
 public:
  HostBuffer() = default;
  // Throws Error{kOutOfMemory} that names the size.
  HostBuffer(int64_t num_bytes, Device device);
  ~HostBuffer();
  HostBuffer(HostBuffer&& other) noexcept;
  HostBuffer& operator=(HostBuffer&& other) noexcept;
  HostBuffer(const HostBuffer&) = delete;
  HostBuffer& operator=(const HostBuffer&) = delete;

  std::byte* data() const { return pinned_ != nullptr ? pinned_ : plain_.data(); }
  int64_t num_bytes() const { return num_bytes_; }

  // A contiguous view of the first elements, on the CPU; it must fit.
  TensorView view(DType dtype, const Shape& shape) const;

 private:
  std::byte* pinned_ = nullptr;
  Buffer plain_;
  int64_t num_bytes_ = 0;
};

}  // namespace talon
