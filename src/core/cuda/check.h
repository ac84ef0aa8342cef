// cuda_check(call) ends the process with the call's place and the runtime's words. An error of a
// CUDA call is either an error of the program or a device that is lost; nothing goes on after it.
// For .cu files and core/cuda only, since it includes a CUDA header.
#pragma once

#include <cuda_runtime_api.h>

#include <source_location>

namespace talon {

// The one line on standard error of a failed call.
[[noreturn]] void cuda_failed(cudaError_t error, std::source_location where);

inline void cuda_check(cudaError_t error,
                       std::source_location where = std::source_location::current()) {
  if (error != cudaSuccess) [[unlikely]] {
    cuda_failed(error, where);
  }
}

}  // namespace talon
