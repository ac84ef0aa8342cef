// Two kernels. `logits` has a block for each expert and eight rows and reads the gate once for
// them: 3.1 MB in float32 for M3, a microsecond. `choose` has a warp a row: sigmoid, bias and M
// times the largest of up to 512 scores in registers.
#include "ops/route.h"

#include "base/check.h"
#include "ops/cuda_kernel.cuh"
#include "ops/norm_row.cuh"
#include "ops/order_key.cuh"

namespace talon::ops::cuda {
namespace {

constexpr int kThreads = 128;
constexpr int kRows = 8;
constexpr int kChooseWarps = 4;
constexpr int kPerLane = static_cast<int>(kMaxExperts) / kWarpSize;

template <class T>
struct LogitParams {
  float* logits;      // [T, E]
  const T* x;         // [T, C]
  const float* gate;  // [E, C]
  int64_t x_stride;
  int64_t size;
  int num_rows;
  int num_experts;
};

template <class T, int kWidth>
__global__ void __launch_bounds__(kThreads) logit_kernel(const LogitParams<T> p) {
  await_previous();
  __shared__ float shared[kThreads / kWarpSize];
  const int expert = static_cast<int>(blockIdx.x);
  const int first = static_cast<int>(blockIdx.y) * kRows;
  const int rows = min(kRows, p.num_rows - first);
  const float* gate = p.gate + expert * p.size;
  float sums[kRows] = {};
  for (int64_t c = threadIdx.x * kWidth; c < p.size; c += kThreads * kWidth) {
    const Vector<float, kWidth> g = load_floats<float, kWidth>(gate + c);
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
      const int row = first + (r < rows ? r : 0);  // a row too many costs a hit in the cache
      const Vector<float, kWidth> x = load_floats<T, kWidth>(p.x + row * p.x_stride + c);
      for (int i = 0; i < kWidth; ++i) {
        sums[r] += x.at[i] * g.at[i];
      }
    }
  }
#pragma unroll
  for (int r = 0; r < kRows; ++r) {
    if (r >= rows) {
      break;
    }
    const float sum = block_sum<kThreads>(sums[r], shared);
    if (threadIdx.x == 0) {
      p.logits[int64_t{first + r} * p.num_experts + expert] = sum;
    }
  }
}

struct ChooseParams {
  int32_t* ids;              // [T, M]
  float* weights;            // [T, M]
  const float* logits;       // [T, E]
  const float* bias;         // [E]
  const int32_t* positions;  // [T]
  float scale;
  int num_rows;
  int num_experts;
  int num_chosen;
};

__global__ void __launch_bounds__(kChooseWarps* kWarpSize) choose_kernel(const ChooseParams p) {
  await_previous();
  const int t = static_cast<int>(blockIdx.x * kChooseWarps + threadIdx.x / kWarpSize);
  const int lane = static_cast<int>(threadIdx.x % kWarpSize);
  if (t >= p.num_rows) {
    return;
  }
  int32_t* ids = p.ids + int64_t{t} * p.num_chosen;
  float* weights = p.weights + int64_t{t} * p.num_chosen;
  if (p.positions[t] < 0) {
    for (int m = lane; m < p.num_chosen; m += kWarpSize) {
      ids[m] = -1;
      weights[m] = 0.0F;
    }
    return;
  }
  const float* logits = p.logits + int64_t{t} * p.num_experts;
  uint64_t keys[kPerLane];
#pragma unroll
  for (int i = 0; i < kPerLane; ++i) {
    const int e = i * kWarpSize + lane;
    keys[i] = e < p.num_experts ? order_key(sigmoid(logits[e]) + p.bias[e], e) : 0;
  }
  float sum = 0.0F;
  for (int m = 0; m < p.num_chosen; ++m) {
    uint64_t best = 0;
#pragma unroll
    for (int i = 0; i < kPerLane; ++i) {
      best = keys[i] > best ? keys[i] : best;
    }
    best = warp_max(best);
#pragma unroll
    for (int i = 0; i < kPerLane; ++i) {
      keys[i] = keys[i] == best ? 0 : keys[i];
    }
    const int32_t expert = order_key_id(best);
    const float weight = sigmoid(logits[expert]);
    sum += weight;
    if (lane == 0) {
      ids[m] = expert;
      weights[m] = weight;
    }
  }
  __syncwarp();
  for (int m = lane; m < p.num_chosen; m += kWarpSize) {
    weights[m] = (weights[m] / sum) * p.scale;
  }
}

template <class T>
void run_logits(const CudaContext& context, const RouteArgs& args, float* logits) {
  const LogitParams<T> params = {.logits = logits,
                                 .x = args.x.as<T>(),
                                 .gate = args.gate.as<float>(),
                                 .x_stride = args.x.stride(0),
                                 .size = args.x.size(1),
                                 .num_rows = static_cast<int>(args.x.size(0)),
                                 .num_experts = static_cast<int>(args.bias.size(0))};
  constexpr int kWidth = 4;
  const bool wide =
      has_vector_rows<T>(args.x) && has_vector_rows<float>(args.gate) && params.size % kWidth == 0;
  launch(
      {.grid = dim3(static_cast<unsigned>(params.num_experts), grid_size(params.num_rows, kRows)),
       .block = dim3(kThreads),
       .stream = context.stream_handle(),
       .dependent = true},
      wide ? logit_kernel<T, kWidth> : logit_kernel<T, 1>, params);
}

}  // namespace

void route(CudaContext& context, const RouteArgs& args) {
  const int64_t num_rows = args.x.size(0);
  const int64_t num_experts = args.bias.size(0);
  TALON_CHECK(4 * num_rows * num_experts <= CudaContext::kWorkspaceBytes,
              "route: the scores of {} rows are over the workspace", num_rows);
  if (num_rows == 0 || args.expert_ids.size(1) == 0) {
    return;
  }
  auto* logits = reinterpret_cast<float*>(context.workspace());
  dispatch_float(args.x.dtype(), [&]<class T>() { run_logits<T>(context, args, logits); });
  launch({.grid = dim3(grid_size(num_rows, kChooseWarps)),
          .block = dim3(kChooseWarps * kWarpSize),
          .stream = context.stream_handle(),
          .dependent = true},
         choose_kernel,
         {.ids = args.expert_ids.as<int32_t>(),
          .weights = args.weights.as<float>(),
          .logits = logits,
          .bias = args.bias.as<float>(),
          .positions = args.positions.as<int32_t>(),
          .scale = args.scale,
          .num_rows = static_cast<int>(num_rows),
          .num_experts = static_cast<int>(num_experts),
          .num_chosen = static_cast<int>(args.expert_ids.size(1))});
}

}  // namespace talon::ops::cuda
