#include "core/copy.h"

#include <cstring>

#include "base/check.h"
#include "core/backend.h"
#include "core/cuda/queue.h"

namespace talon {
namespace {

bool reachable(Stream stream, Device device) {
  return device == stream.device() || device.kind == DeviceKind::kCpu;
}

}  // namespace

void copy(Stream stream, const TensorView& to, const ConstTensorView& from) {
  TALON_CHECK(to.is_contiguous() && from.is_contiguous(), "a copy of strided arrays");
  TALON_CHECK(
      to.dtype() == from.dtype() && to.shape().num_elements() == from.shape().num_elements(),
      "{} {} copied to {} {}", dtype_name(from.dtype()), to_string(from.shape()),
      dtype_name(to.dtype()), to_string(to.shape()));
  TALON_CHECK(reachable(stream, to.device()) && reachable(stream, from.device()),
              "a copy between devices that the stream does not reach");
  copy_bytes(stream, to.data(), from.data(),
             from.shape().num_elements() * dtype_bytes(from.dtype()));
}

void copy_bytes(Stream stream, void* to, const void* from, int64_t num_bytes) {
  if (num_bytes == 0) {
    return;
  }
  if constexpr (kHasCuda) {
    if (stream.is_cuda()) {
      cuda::queue_copy(stream.cuda(), to, from, num_bytes);
      return;
    }
  }
  TALON_CHECK(!stream.is_cuda(), "this build knows no CUDA device");
  std::memmove(to, from, static_cast<size_t>(num_bytes));
}

void fill_zero(Stream stream, const TensorView& view) {
  TALON_CHECK(view.is_contiguous() && view.device() == stream.device(),
              "zeros for a strided array or another device");
  const int64_t num_bytes = view.shape().num_elements() * dtype_bytes(view.dtype());
  if (num_bytes == 0) {
    return;
  }
  if constexpr (kHasCuda) {
    if (stream.is_cuda()) {
      cuda::queue_zero(stream.cuda(), view.data(), num_bytes);
      return;
    }
  }
  std::memset(view.data(), 0, static_cast<size_t>(num_bytes));
}

void synchronize(Stream stream) {
  if constexpr (kHasCuda) {
    if (stream.is_cuda()) {
      cuda::synchronize(stream.cuda());
    }
  }
}

}  // namespace talon
