// What a CUDA kernel needs of its surroundings: the stream, the device's size, and a workspace.
// Owned by a runner (or a test), referenced by its Stream, which must not outlive it. One thread
// uses a context. No CUDA header is included here.
//
// The workspace is scratch of the op that runs: the next op on the stream may overwrite it, so
// nothing in it outlives a call. Its size never changes, and ops cut their work by it.
#pragma once

#include <cstdint>

#include "core/buffer.h"
#include "core/cuda/device.h"
#include "core/stream.h"

struct CUstream_st;  // what a cudaStream_t points to

namespace talon {

class CudaContext {
 public:
  // Throws what cuda::device_info throws, and Error{kOutOfMemory}.
  explicit CudaContext(Device device);
  ~CudaContext();
  CudaContext(const CudaContext&) = delete;
  CudaContext& operator=(const CudaContext&) = delete;

  Device device() const { return device_; }
  const cuda::DeviceInfo& info() const { return info_; }
  CUstream_st* stream_handle() const { return stream_; }
  Stream stream() { return Stream(device_, *this); }

  std::byte* workspace() const { return workspace_.data(); }
  static constexpr int64_t kWorkspaceBytes = int64_t{64} * 1024 * 1024;

  // Waits until all that was queued is done.
  void synchronize() const;

 private:
  Device device_;
  cuda::DeviceInfo info_;
  CUstream_st* stream_ = nullptr;
  Buffer workspace_;
};

}  // namespace talon
