// An ordered queue of work on one device, passed to every op. A small value. On the CPU work runs
// at once, on the context's pool; on CUDA the handle is a stream that core/cuda knows.
#pragma once

#include "base/check.h"
#include "core/cpu_context.h"
#include "core/device.h"

namespace talon {

class Stream {
 public:
  explicit Stream(CpuContext& context) : device_(kCpuDevice), handle_(&context) {}
  Stream(Device device, void* cuda_stream) : device_(device), handle_(cuda_stream) {
    TALON_CHECK(device.kind == DeviceKind::kCuda, "a CPU stream is made from its context");
  }

  Device device() const { return device_; }

  CpuContext& cpu() const {
    TALON_CHECK(device_.kind == DeviceKind::kCpu, "not a CPU stream");
    return *static_cast<CpuContext*>(handle_);
  }
  void* cuda() const {
    TALON_CHECK(device_.kind == DeviceKind::kCuda, "not a CUDA stream");
    return handle_;
  }

 private:
  Device device_;
  void* handle_;
};

}  // namespace talon
