#include "core/cuda/context.h"

#include <cuda_runtime_api.h>

#include "core/cuda/check.h"

namespace talon {

CudaContext::CudaContext(Device device)
    : device_(device), info_(cuda::device_info(device)), workspace_(kWorkspaceBytes, device) {
  const cuda::CurrentDevice current(device);
  cuda_check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking));
}

CudaContext::~CudaContext() {
  (void)cudaStreamSynchronize(stream_);
  (void)cudaStreamDestroy(stream_);
}

void CudaContext::synchronize() const { cuda_check(cudaStreamSynchronize(stream_)); }

}  // namespace talon
