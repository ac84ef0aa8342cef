#include "core/cuda/memory.h"

#include <cuda_runtime_api.h>
#include <fmt/format.h>

#include <atomic>

#include "base/error.h"
#include "core/cuda/check.h"
#include "core/cuda/device.h"

namespace talon::cuda {
namespace {

std::atomic<int64_t> device_allocations{0};

}  // namespace

void* allocate_device(Device device, int64_t num_bytes) {
  if (num_bytes == 0) {
    return nullptr;
  }
  const CurrentDevice current(device);
  void* block = nullptr;
  const cudaError_t error = cudaMalloc(&block, static_cast<size_t>(num_bytes));
  if (error == cudaErrorMemoryAllocation) {
    (void)cudaGetLastError();  // it would come up again at the next call
    size_t free_bytes = 0;
    size_t total_bytes = 0;
    cuda_check(cudaMemGetInfo(&free_bytes, &total_bytes));
    throw Error(ErrorCode::kOutOfMemory,
                fmt::format("no memory for {} bytes on GPU {}: {} of {} are free", num_bytes,
                            device.ordinal, free_bytes, total_bytes));
  }
  cuda_check(error);
  ++device_allocations;
  return block;
}

// At the end of a process the driver may be gone before the last buffer.
void free_device(Device device, void* block) noexcept {
  if (block != nullptr && cudaSetDevice(device.ordinal) == cudaSuccess) {
    (void)cudaFree(block);
  }
}

void* allocate_host(Device device, int64_t num_bytes) {
  if (num_bytes == 0) {
    return nullptr;
  }
  const CurrentDevice current(device);
  void* block = nullptr;
  const cudaError_t error = cudaHostAlloc(&block, static_cast<size_t>(num_bytes),
                                          cudaHostAllocPortable | cudaHostAllocMapped);
  if (error == cudaErrorMemoryAllocation) {
    (void)cudaGetLastError();
    throw Error(ErrorCode::kOutOfMemory,
                fmt::format("no page-locked memory for {} bytes", num_bytes));
  }
  cuda_check(error);
  return block;
}

void free_host(void* block) noexcept {
  if (block != nullptr) {
    (void)cudaFreeHost(block);
  }
}

void zero_now(Device device, void* data, int64_t num_bytes) {
  if (num_bytes == 0) {
    return;
  }
  const CurrentDevice current(device);
  cuda_check(cudaMemset(data, 0, static_cast<size_t>(num_bytes)));
  cuda_check(cudaDeviceSynchronize());
}

int64_t num_device_allocations() { return device_allocations.load(); }

}  // namespace talon::cuda
