#include "engine/choose_device.h"

#include "base/error.h"
#include "core/backend.h"
#include "core/cuda/device.h"

namespace talon {

namespace {

bool is_usable(Device device) {
  if constexpr (kHasCuda) {
    try {
      (void)cuda::device_info(device);
      return true;
    } catch (const Error&) {  // none, or one that this build has no kernels for
      return false;
    }
  }
  return false;
}

}  // namespace

std::optional<Device> choose_gpu(DeviceChoice choice) {
  constexpr Device kFirst = cuda_device(0);
  if constexpr (kHasCuda) {
    if (choice == DeviceChoice::kCuda || (choice == DeviceChoice::kAuto && is_usable(kFirst))) {
      return kFirst;
    }
  }
  return std::nullopt;
}

}  // namespace talon
