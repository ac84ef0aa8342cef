// A thread a row. An id past the map is an error of the program and gives -1.
#include "ops/key_tokens.h"

#include "ops/cuda_kernel.cuh"
#include "ops/order_key.cuh"

namespace talon::ops::cuda {
namespace {

constexpr int kThreads = 128;

struct KeyParams {
  int32_t* tokens;       // [R, 1]
  const uint64_t* keys;  // [R]
  const int32_t* map;    // [V_d] or null
  int64_t stride;
  int64_t map_size;
  int num_rows;
};

__global__ void __launch_bounds__(kThreads) key_kernel(const KeyParams p) {
  await_previous();
  const int r = static_cast<int>(blockIdx.x) * kThreads + static_cast<int>(threadIdx.x);
  if (r >= p.num_rows) {
    return;
  }
  int32_t id = order_key_id(p.keys[r]);
  if (p.map != nullptr && id >= 0) {
    id = id < p.map_size ? p.map[id] : -1;
  }
  p.tokens[r * p.stride] = id;
}

}  // namespace

void key_tokens(CudaContext& context, const KeyTokensArgs& args) {
  const int64_t num_rows = args.keys.size(0);
  launch({.grid = dim3(grid_size(num_rows, kThreads)),
          .block = dim3(kThreads),
          .stream = context.stream_handle(),
          .dependent = true},
         key_kernel,
         {.tokens = args.tokens.as<int32_t>(),
          .keys = args.keys.as<uint64_t>(),
          .map = pointer_or_null<int32_t>(args.map),
          .stride = args.tokens.stride(0),
          .map_size = args.map.empty() ? 0 : args.map.size(0),
          .num_rows = static_cast<int>(num_rows)});
}

}  // namespace talon::ops::cuda
