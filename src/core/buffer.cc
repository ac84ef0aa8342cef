#include "core/buffer.h"

#include <fmt/format.h>

#include <cstdlib>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "base/checked_int.h"
#include "base/error.h"

namespace talon {
namespace {

constexpr int64_t kAlignment = 64;  // a cache line, and one AVX-512 register

}  // namespace

Buffer::Buffer(int64_t num_bytes, Device device) : num_bytes_(num_bytes), device_(device) {
  TALON_CHECK(num_bytes >= 0, "a buffer of {} bytes", num_bytes);
  TALON_CHECK(device.kind == DeviceKind::kCpu, "this build has no memory on a CUDA device");
  const auto rounded = static_cast<size_t>(round_up(std::max<int64_t>(num_bytes, 1), kAlignment));
  data_ = static_cast<std::byte*>(std::aligned_alloc(kAlignment, rounded));
  if (data_ == nullptr) {
    throw Error(ErrorCode::kOutOfMemory, fmt::format("no memory for {} bytes", num_bytes));
  }
}

Buffer Buffer::zeroed(int64_t num_bytes, Device device) {
  Buffer buffer(num_bytes, device);
  std::memset(buffer.data_, 0, static_cast<size_t>(num_bytes));
  return buffer;
}

Buffer::~Buffer() { std::free(data_); }

Buffer::Buffer(Buffer&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      num_bytes_(std::exchange(other.num_bytes_, 0)),
      device_(other.device_) {}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
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
