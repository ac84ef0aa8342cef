// The time on the stream's device, in nanoseconds since some point of its own: %globaltimer on
// CUDA, the steady clock on the CPU. Differences between stamps of one device are what counts.
#pragma once

#include <cstdint>

#include "core/stream.h"
#include "core/tensor_view.h"

namespace talon::ops {

struct StampArgs {
  TensorView out;  // [1] i64
};
void stamp(Stream stream, const StampArgs& args);

namespace cpu {

void stamp(CpuContext& context, const StampArgs& args);
int64_t now_ns();

}  // namespace cpu

namespace cuda {

void stamp(CudaContext& context, const StampArgs& args);

}  // namespace cuda

}  // namespace talon::ops
