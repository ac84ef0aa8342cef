// Move-only bytes on a device, aligned to 64 (CPU) or 256 (CUDA) bytes. The one place that takes
// device memory; after start-up nobody makes a Buffer. Contents are uninitialised unless asked; on
// the CPU large zeroed memory costs nothing until it is touched.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/device.h"
#include "core/tensor_view.h"

namespace talon {

class Buffer {
 public:
  Buffer() = default;
  // Throws Error{kOutOfMemory} that names the size.
  explicit Buffer(int64_t num_bytes, Device device = kCpuDevice);
  static Buffer zeroed(int64_t num_bytes, Device device = kCpuDevice);
  ~Buffer();
  Buffer(Buffer&& other) noexcept;
  Buffer& operator=(Buffer&& other) noexcept;
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  std::byte* data() const { return data_; }
  int64_t num_bytes() const { return num_bytes_; }
  Device device() const { return device_; }

  // A contiguous view of the first elements; it must fit.
  TensorView view(DType dtype, const Shape& shape) const;

 private:
  void take(void* block, size_t num_bytes);

  void* block_ = nullptr;      // as allocated
  std::byte* data_ = nullptr;  // aligned, inside it
  int64_t num_bytes_ = 0;
  Device device_{};
};

}  // namespace talon
