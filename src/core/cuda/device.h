// The CUDA devices of this machine. No CUDA header is included here.
#pragma once

#include <cstdint>
#include <string>

#include "core/device.h"

namespace talon {

constexpr Device cuda_device(int32_t ordinal) {
  return {.kind = DeviceKind::kCuda, .ordinal = ordinal};
}

namespace cuda {

struct DeviceInfo {
  std::string name;
  int capability_major = 0;  // 9 and 0 for sm_90
  int capability_minor = 0;
  int num_multiprocessors = 0;
  int64_t total_bytes = 0;
  int64_t free_bytes = 0;
  int driver_version = 0;   // 1000 * major + 10 * minor of the newest CUDA that the driver knows
  int runtime_version = 0;  // of the CUDA that this program was built with
};

// Devices that the driver shows; 0 where there is no GPU or no driver.
int num_devices();

// Throws Error{kUnavailable} in one line if there is no such device or its driver is too old, and
// Error{kUnsupported} if its architecture is older than the kernels of this build.
DeviceInfo device_info(Device device);

// With true each launch is waited for, so that a fault names the launch that made it; not while
// work is captured, so captured rounds need --enforce-eager for it. `main` sets it from TALON_SYNC.
void set_synchronous_launches(bool value);

// The oldest architecture that this build's kernels run on.
inline constexpr int kMinCapabilityMajor = 8;

// Makes a device the calling thread's current one for a scope.
class CurrentDevice {
 public:
  explicit CurrentDevice(Device device);
  ~CurrentDevice();
  CurrentDevice(const CurrentDevice&) = delete;
  CurrentDevice& operator=(const CurrentDevice&) = delete;

 private:
  int previous_ = 0;
  bool changed_ = false;
};

}  // namespace cuda
}  // namespace talon
