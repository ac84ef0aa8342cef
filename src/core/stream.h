// An ordered queue of work on one device, passed to every op. A small value. On the CPU work runs
// at once, on the context's pool; on CUDA it is queued on the context's stream. The context must
// outlive it.
#pragma once

#include "base/check.h"
#include "core/cpu_context.h"
#include "core/device.h"

namespace talon {

class CudaContext;  // core/cuda/context.h

class Stream {
 public:
  explicit Stream(CpuContext& context) : device_(kCpuDevice), handle_(&context) {}
  Stream(Device device, CudaContext& context) : device_(device), handle_(&context) {
    TALON_CHECK(device.kind == DeviceKind::kCuda, "a CPU stream is made from its context");
  }

  Device device() const { return device_; }
  bool is_cuda() const { return device_.kind == DeviceKind::kCuda; }

  CpuContext& cpu() const {
    TALON_CHECK(device_.kind == DeviceKind::kCpu, "not a CPU stream");
    return *static_cast<CpuContext*>(handle_);
  }
  CudaContext& cuda() const {
    TALON_CHECK(device_.kind == DeviceKind::kCuda, "not a CUDA stream");
    return *static_cast<CudaContext*>(handle_);
  }

 private:
  Device device_;
  void* handle_;
};

}  // namespace talon
