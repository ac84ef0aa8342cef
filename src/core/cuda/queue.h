// What core/copy.h does on a CUDA stream. No CUDA header is included here.
#pragma once

#include <cstdint>

namespace talon {

class CudaContext;

namespace cuda {

// The direction follows from the addresses.
void queue_copy(const CudaContext& context, void* to, const void* from, int64_t num_bytes);
void queue_zero(const CudaContext& context, void* data, int64_t num_bytes);
void synchronize(const CudaContext& context);

}  // namespace cuda
}  // namespace talon
