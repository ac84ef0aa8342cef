#include "core/cuda/check.h"

#include <fmt/format.h>

#include "base/error.h"

namespace talon {

void cuda_failed(cudaError_t error, std::source_location where) {
  throw Error(ErrorCode::kUnavailable,
              fmt::format("the GPU failed: {}: {} ({}:{})", cudaGetErrorName(error),
                          cudaGetErrorString(error), where.file_name(), where.line()));
}

}  // namespace talon
