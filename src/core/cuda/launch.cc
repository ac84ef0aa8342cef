#include "core/cuda/launch.h"

#include <cuda_runtime.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <unordered_map>

#include "core/cuda/check.h"

namespace talon {
namespace {

std::atomic<bool> synchronous{false};

constexpr size_t kDefaultSharedBytes = size_t{48} * 1024;

// The devices of a machine are alike in this.
bool can_overlap() {
  static const bool kCan = [] {
    int device = 0;
    int major = 0;
    cuda_check(cudaGetDevice(&device));
    cuda_check(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device));
    return major >= 9;
  }();
  return kCan;
}

bool is_capturing(cudaStream_t stream) {
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  cuda_check(cudaStreamIsCapturing(stream, &status));
  return status != cudaStreamCaptureStatusNone;
}

// Raises the kernel's limit of dynamic shared memory, once a kernel and size: the call takes longer
// than a launch.
cudaError_t allow_shared_memory(const void* kernel, size_t num_bytes) {
  static std::mutex mutex;
  static std::unordered_map<const void*, size_t> allowed;
  const std::scoped_lock lock(mutex);
  size_t& limit = allowed[kernel];
  if (num_bytes <= std::max(limit, kDefaultSharedBytes)) {
    return cudaSuccess;
  }
  const cudaError_t error = cudaFuncSetAttribute(
      kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(num_bytes));
  limit = error == cudaSuccess ? num_bytes : limit;
  return error;
}

}  // namespace

void cuda::set_synchronous_launches(bool value) { synchronous.store(value); }

void launch_untyped(const LaunchShape& shape, const void* kernel, void** params) {
  if (shape.grid.x == 0 || shape.grid.y == 0 || shape.grid.z == 0) {
    return;  // no rows are no work
  }
  if (shape.smem_bytes > kDefaultSharedBytes) {
    cuda_check(allow_shared_memory(kernel, shape.smem_bytes), shape.where);
  }
  cudaLaunchAttribute attribute{};
  attribute.id = cudaLaunchAttributeProgrammaticStreamSerialization;
  attribute.val.programmaticStreamSerializationAllowed = 1;
  cudaLaunchConfig_t config{};
  config.gridDim = shape.grid;
  config.blockDim = shape.block;
  config.dynamicSmemBytes = shape.smem_bytes;
  config.stream = shape.stream;
  config.attrs = &attribute;
  config.numAttrs = shape.dependent && can_overlap() ? 1 : 0;
  cuda_check(cudaLaunchKernelExC(&config, kernel, params), shape.where);
  if (synchronous.load() && !is_capturing(shape.stream)) {
    cuda_check(cudaStreamSynchronize(shape.stream), shape.where);
  }
}

}  // namespace talon
