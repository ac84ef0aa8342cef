#include "core/cuda/profiler.h"

#include <cuda_profiler_api.h>

#include "core/cuda/check.h"

namespace talon::cuda {

void start_profiler() { cuda_check(cudaProfilerStart()); }

void stop_profiler() { cuda_check(cudaProfilerStop()); }

}  // namespace talon::cuda
