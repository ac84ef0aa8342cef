#include "core/buffer.h"

#include <fmt/format.h>

#include <cstdlib>
#include <memory>
#include <utility>

#include "base/check.h"
#include "base/error.h"

namespace talon {
namespace {

constexpr size_t kAlignment = 64;  // a cache line, and one AVX-512 register

size_t block_size(int64_t num_bytes, Device device) {
  TALON_CHECK(num_bytes >= 0, "a buffer of {} bytes", num_bytes);
  TALON_CHECK(device.kind == DeviceKind::kCpu, "this build has no memory on a CUDA device");
  return static_cast<size_t>(num_bytes) + kAlignment;
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
  const size_t size = block_size(num_bytes, device);
  take(std::malloc(size), size);
}

// calloc takes large blocks from the system as zero pages. A KV pool is as large as its cap, and
// most runs touch little of it.
Buffer Buffer::zeroed(int64_t num_bytes, Device device) {
  Buffer buffer;
  buffer.num_bytes_ = num_bytes;
  buffer.device_ = device;
  const size_t size = block_size(num_bytes, device);
  buffer.take(std::calloc(1, size), size);
  return buffer;
}

Buffer::~Buffer() { std::free(block_); }

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
