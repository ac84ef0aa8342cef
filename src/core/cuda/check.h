// cuda_check(call) throws Error{kUnavailable} with the call's place and the runtime's words. After
// an error of a kernel every further call fails: whoever steps an engine tells its requests and
// ends the process. For .cu files and core/cuda only, since it includes a CUDA header.
#pragma once

#include <cuda_runtime_api.h>

#include <source_location>

namespace talon {

[[noreturn]] void cuda_failed(cudaError_t error, std::source_location where);

inline void cuda_check(cudaError_t error,
                       std::source_location where = std::source_location::current()) {
  if (error != cudaSuccess) [[unlikely]] {
    cuda_failed(error, where);
  }
}

}  // namespace talon
