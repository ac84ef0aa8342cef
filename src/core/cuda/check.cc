#include "core/cuda/check.h"

#include "base/check.h"

namespace talon {

void cuda_failed(cudaError_t error, std::source_location where) {
  check_failed("a CUDA call",
               fmt::format("{}: {}", cudaGetErrorName(error), cudaGetErrorString(error)), where);
}

}  // namespace talon
