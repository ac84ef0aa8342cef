// One thread.
#include "ops/stamp.h"

#include "ops/clock_cuda.cuh"
#include "ops/cuda_kernel.cuh"

namespace talon::ops::cuda {
namespace {

struct Params {
  int64_t* out;
};

__global__ void __launch_bounds__(1) stamp_kernel(const Params p) { *p.out = now_ns(); }

}  // namespace

void stamp(CudaContext& context, const StampArgs& args) {
  launch({.stream = context.stream_handle()}, stamp_kernel, {.out = args.out.as<int64_t>()});
}

}  // namespace talon::ops::cuda
