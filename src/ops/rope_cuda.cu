// A few hundred cosines a row, once a step. Sine and cosine in double, rounded once: exact to
// float32 as the contract says, and still a microsecond.
#include "ops/rope.h"

#include "ops/cuda_kernel.cuh"

namespace talon::ops::cuda {
namespace {

constexpr int kThreads = 128;

struct RopeParams {
  float* cos_sin;            // [T, 2, half]
  const int32_t* positions;  // [T]
  const float* inv_freq;     // [half]
  int64_t half;
  int64_t num_items;  // T * half
};

__global__ void __launch_bounds__(kThreads) rope_kernel(const RopeParams p) {
  await_previous();
  const int64_t item = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (item >= p.num_items) {
    return;
  }
  const int64_t t = item / p.half;
  const int64_t i = item % p.half;
  const int32_t position = p.positions[t] < 0 ? 0 : p.positions[t];
  const float angle = __fmul_rn(static_cast<float>(position), p.inv_freq[i]);
  double sine = 0.0;
  double cosine = 0.0;
  sincos(static_cast<double>(angle), &sine, &cosine);
  p.cos_sin[2 * t * p.half + i] = static_cast<float>(cosine);
  p.cos_sin[(2 * t + 1) * p.half + i] = static_cast<float>(sine);
}

}  // namespace

void rope_table(CudaContext& context, const RopeTableArgs& args) {
  const int64_t num_items = args.positions.size(0) * args.inv_freq.size(0);
  launch({.grid = dim3(grid_size(num_items, kThreads)),
          .block = dim3(kThreads),
          .stream = context.stream_handle(),
          .dependent = true},
         rope_kernel,
         {.cos_sin = args.cos_sin.as<float>(),
          .positions = args.positions.as<int32_t>(),
          .inv_freq = args.inv_freq.as<float>(),
          .half = args.inv_freq.size(0),
          .num_items = num_items});
}

}  // namespace talon::ops::cuda
