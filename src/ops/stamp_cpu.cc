#include "ops/stamp.h"

#include <chrono>

#include "core/cpu_context.h"

namespace talon::ops::cpu {

int64_t now_ns() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
}

void stamp(CpuContext& /*context*/, const StampArgs& args) { *args.out.as<int64_t>() = now_ns(); }

}  // namespace talon::ops::cpu
