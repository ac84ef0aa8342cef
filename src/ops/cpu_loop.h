// How the CPU forms of the small ops cut their rows over threads. Waking the pool costs a few
// microseconds, so work below kGrainWork stays on the calling thread.
#pragma once

#include <algorithm>
#include <cstdint>

#include "core/cpu_context.h"

namespace talon::ops::cpu {

// In elements read once from the cache and written once: some 5 microseconds of one thread.
inline constexpr int64_t kGrainWork = 32768;

// One element of an MLP's gate (an exponential and a division) in the same unit.
inline constexpr int64_t kActivationWork = 4;

// Calls body(begin, end) over [0, num_rows); a row is `row_work` elements of such work.
template <class Body>
void for_rows(CpuContext& context, int64_t num_rows, int64_t row_work, const Body& body) {
  const int64_t grain = std::max<int64_t>(1, kGrainWork / std::max<int64_t>(1, row_work));
  context.pool().parallel_for(num_rows, grain, body);
}

}  // namespace talon::ops::cpu
