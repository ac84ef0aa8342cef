// A named range of the host's time line for NVIDIA's profilers (NVTX): an op, or a phase of a
// round, as it is queued. Next to nothing without a profiler, and nothing in a CPU build.
#pragma once

#include "core/backend.h"

namespace talon {

namespace cuda {

void begin_range(const char* name);
void end_range();

}  // namespace cuda

class ProfileRange {
 public:
  // `name` is copied if somebody listens. Ranges of one thread nest.
  explicit ProfileRange(const char* name) {
    if constexpr (kHasCuda) {
      cuda::begin_range(name);
    }
  }
  ~ProfileRange() {
    if constexpr (kHasCuda) {
      cuda::end_range();
    }
  }
  ProfileRange(const ProfileRange&) = delete;
  ProfileRange& operator=(const ProfileRange&) = delete;
};

}  // namespace talon
