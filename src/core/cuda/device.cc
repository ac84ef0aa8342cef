#include "core/cuda/device.h"

#include <cuda_runtime_api.h>
#include <fmt/format.h>

#include "base/check.h"
#include "base/error.h"
#include "core/cuda/check.h"

namespace talon::cuda {
namespace {

std::string version_text(int version) {
  return fmt::format("{}.{}", version / 1000, version % 1000 / 10);
}

// Why there is no device at all, as one line.
[[noreturn]] void throw_no_device(cudaError_t error) {
  int driver = 0;
  (void)cudaDriverGetVersion(&driver);
  (void)cudaGetLastError();
  if (driver == 0) {
    throw Error(ErrorCode::kUnavailable, "no NVIDIA driver is installed, so no GPU can be used");
  }
  if (error == cudaErrorInsufficientDriver) {
    throw Error(ErrorCode::kUnavailable,
                fmt::format("the NVIDIA driver is too old: it knows CUDA {}, this program needs {}",
                            version_text(driver), version_text(CUDART_VERSION)));
  }
  throw Error(ErrorCode::kUnavailable,
              fmt::format("no GPU can be used: {}",
                          error == cudaSuccess ? "there is none" : cudaGetErrorString(error)));
}

}  // namespace

int num_devices() {
  int count = 0;
  if (cudaGetDeviceCount(&count) != cudaSuccess) {
    (void)cudaGetLastError();
    return 0;
  }
  return count;
}

DeviceInfo device_info(Device device) {
  TALON_CHECK(device.kind == DeviceKind::kCuda, "the CPU is no CUDA device");
  int count = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error != cudaSuccess || count == 0) {
    throw_no_device(error);
  }
  if (device.ordinal < 0 || device.ordinal >= count) {
    throw Error(ErrorCode::kUnavailable,
                fmt::format("there is no GPU {}: the driver shows {}", device.ordinal, count));
  }
  cudaDeviceProp properties{};
  cuda_check(cudaGetDeviceProperties(&properties, device.ordinal));
  if (properties.major < kMinCapabilityMajor) {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("GPU {} ({}) has compute capability {}.{}, and 8.0 is the oldest that "
                            "this program runs on",
                            device.ordinal, properties.name, properties.major, properties.minor));
  }
  DeviceInfo info;
  info.name = properties.name;
  info.capability_major = properties.major;
  info.capability_minor = properties.minor;
  info.num_multiprocessors = properties.multiProcessorCount;
  const CurrentDevice current(device);
  size_t free_bytes = 0;
  size_t total_bytes = 0;
  cuda_check(cudaMemGetInfo(&free_bytes, &total_bytes));
  info.free_bytes = static_cast<int64_t>(free_bytes);
  info.total_bytes = static_cast<int64_t>(total_bytes);
  cuda_check(cudaDriverGetVersion(&info.driver_version));
  cuda_check(cudaRuntimeGetVersion(&info.runtime_version));
  return info;
}

CurrentDevice::CurrentDevice(Device device) {
  cuda_check(cudaGetDevice(&previous_));
  if (previous_ != device.ordinal) {
    cuda_check(cudaSetDevice(device.ordinal));
    changed_ = true;
  }
}

CurrentDevice::~CurrentDevice() {
  if (changed_) {
    (void)cudaSetDevice(previous_);
  }
}

}  // namespace talon::cuda
