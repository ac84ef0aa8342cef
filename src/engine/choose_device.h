// Which device an engine runs on.
#pragma once

#include <optional>

#include "core/device.h"
#include "engine/config.h"

namespace talon {

// The GPU that this choice means here; none: the CPU. An explicit choice of a GPU is not looked
// into: without one its use is refused later, with the reason.
std::optional<Device> choose_gpu(DeviceChoice choice);

}  // namespace talon
