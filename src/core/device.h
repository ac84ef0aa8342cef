// Where memory lives and work runs. A value; CUDA devices carry their ordinal.
#pragma once

#include <cstdint>

namespace talon {

enum class DeviceKind : uint8_t { kCpu, kCuda };

struct Device {
  DeviceKind kind = DeviceKind::kCpu;
  int32_t ordinal = 0;

  friend bool operator==(Device, Device) = default;
};

inline constexpr Device kCpuDevice{};

}  // namespace talon
