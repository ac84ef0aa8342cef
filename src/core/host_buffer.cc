#include "core/host_buffer.h"

#include <cstring>
#include <utility>

#include "base/check.h"
#include "core/backend.h"
#include "core/cuda/memory.h"

namespace talon {

HostBuffer::HostBuffer(int64_t num_bytes, Device device) : num_bytes_(num_bytes) {
  if constexpr (kHasCuda) {
    if (device.kind == DeviceKind::kCuda) {
      pinned_ = static_cast<std::byte*>(cuda::allocate_host(device, num_bytes));
      if (pinned_ != nullptr) {
        std::memset(pinned_, 0, static_cast<size_t>(num_bytes));
      }
      return;
    }
  }
  TALON_CHECK(device.kind == DeviceKind::kCpu, "this build knows no CUDA device");
  plain_ = Buffer::zeroed(num_bytes);
}

HostBuffer::~HostBuffer() {
  if constexpr (kHasCuda) {
    cuda::free_host(pinned_);
  }
}

HostBuffer::HostBuffer(HostBuffer&& other) noexcept
    : pinned_(std::exchange(other.pinned_, nullptr)),
      plain_(std::move(other.plain_)),
      num_bytes_(std::exchange(other.num_bytes_, 0)) {}

HostBuffer& HostBuffer::operator=(HostBuffer&& other) noexcept {
  std::swap(pinned_, other.pinned_);
  std::swap(plain_, other.plain_);
  std::swap(num_bytes_, other.num_bytes_);
  return *this;
}

TensorView HostBuffer::view(DType dtype, const Shape& shape) const {
  TALON_CHECK(shape.num_elements() * dtype_bytes(dtype) <= num_bytes_,
              "{} {} does not fit {} bytes", dtype_name(dtype), to_string(shape), num_bytes_);
  return TensorView(data(), dtype, shape);
}

}  // namespace talon
