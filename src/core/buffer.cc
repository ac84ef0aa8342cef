#include "core/buffer.h"

#include <fmt/format.h>

#include <cstdlib>
#include <memory>
#include <utility>

#include "base/check.h"
#include "base/error.h"
#include "core/backend.h"
#include "core/cuda/memory.h"

namespace talon {
namespace {

constexpr size_t kAlignment = 64;  // a cache line, and one AVX-512 register

size_t block_size(int64_t num_bytes) { return static_cast<size_t>(num_bytes) + kAlignment; }

// Whether a buffer's memory comes from the CUDA runtime.
bool is_cuda(Device device) {
  TALON_CHECK(kHasCuda || device.kind == DeviceKind::kCpu,
              "this build has no memory on a CUDA device");
  return device.kind == DeviceKind::kCuda;
}

}  // namespace

// Keeps a block that has room for num_bytes_ behind the next aligned address.
void Buffer::take(void* block, size_t num_bytes) {
  if (block == nullptr) {
    throw Error(ErrorCode::kOutOfMemory, fmt::format("no memory for {} bytes", num_bytes_));
  }
  size_t space = num_bytes;
  void* aligned = block;
  (void)std::align(kAlignment, static_cast<size_t>(num_bytes_), aligned, space);
  block_ = block;
  data_ = static_cast<std::byte*>(aligned);
}

Buffer::Buffer(int64_t num_bytes, Device device) : num_bytes_(num_bytes), device_(device) {
  TALON_CHECK(num_bytes >= 0, "a buffer of {} bytes", num_bytes);
  if (is_cuda(device)) {
    if constexpr (kHasCuda) {
      block_ = cuda::allocate_device(device, num_bytes);
      data_ = static_cast<std::byte*>(block_);
    }
    return;
  }
  const size_t size = block_size(num_bytes);
  take(std::malloc(size), size);
}

// calloc takes large blocks from the system as zero pages. A KV pool is as large as its cap, and
// most runs touch little of it.
Buffer Buffer::zeroed(int64_t num_bytes, Device device) {
  if (is_cuda(device)) {
    Buffer buffer(num_bytes, device);
    if constexpr (kHasCuda) {
      cuda::zero_now(device, buffer.data(), num_bytes);
    }
    return buffer;
  }
  TALON_CHECK(num_bytes >= 0, "a buffer of {} bytes", num_bytes);
  Buffer buffer;
  buffer.num_bytes_ = num_bytes;
  buffer.device_ = device;
  const size_t size = block_size(num_bytes);
  buffer.take(std::calloc(1, size), size);
  return buffer;
}

Buffer::~Buffer() {
  if constexpr (kHasCuda) {
    if (device_.kind == DeviceKind::kCuda) {
      cuda::free_device(device_, block_);
      return;
    }
  }
  std::free(block_);
}

Buffer::Buffer(Buffer&& other) noexcept
    : block_(std::exchange(other.block_, nullptr)),
      data_(std::exchange(other.data_, nullptr)),
      num_bytes_(std::exchange(other.num_bytes_, 0)),
      device_(other.device_) {}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  std::swap(block_, other.block_);
  std::swap(data_, other.data_);
  std::swap(num_bytes_, other.num_bytes_);
  std::swap(device_, other.device_);
  return *this;
}

TensorView Buffer::view(DType dtype, const Shape& shape) const {
  TALON_CHECK(shape.num_elements() * dtype_bytes(dtype) <= num_bytes_,
              "{} {} does not fit {} bytes", dtype_name(dtype), to_string(shape), num_bytes_);
  return TensorView(data_, dtype, shape, device_);
}

}  // namespace talon
