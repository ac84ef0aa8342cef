#include "core/cuda/queue.h"

#include <cuda_runtime_api.h>

#include "core/cuda/check.h"
#include "core/cuda/context.h"

namespace talon::cuda {

void queue_copy(const CudaContext& context, void* to, const void* from, int64_t num_bytes) {
  cuda_check(cudaMemcpyAsync(to, from, static_cast<size_t>(num_bytes), cudaMemcpyDefault,
                             context.stream_handle()));
}

void queue_zero(const CudaContext& context, void* data, int64_t num_bytes) {
  cuda_check(cudaMemsetAsync(data, 0, static_cast<size_t>(num_bytes), context.stream_handle()));
}

void synchronize(const CudaContext& context) { context.synchronize(); }

}  // namespace talon::cuda
