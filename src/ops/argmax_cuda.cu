// Blocks of 4096 columns raise the row's key by an atomic maximum, which is exact in any order. One
// read of the logits: 0.8 MB a row of M3's whole vocabulary.
#include "ops/argmax.h"

#include "core/cuda/queue.h"
#include "ops/argmax_cuda.cuh"
#include "ops/cuda_kernel.cuh"

namespace talon::ops::cuda {
namespace {

template <class T>
struct ArgmaxParams {
  unsigned long long* keys;  // [R]
  ArgmaxRow<T> first;        // row 0
  int64_t stride;
};

template <class T>
__global__ void __launch_bounds__(kArgmaxThreads) argmax_kernel(const ArgmaxParams<T> p) {
  await_previous();
  ArgmaxRow<T> row = p.first;
  row.logits += blockIdx.y * p.stride;
  raise_key(p.keys + blockIdx.y, row, static_cast<int>(blockIdx.x));
}

}  // namespace

void argmax(CudaContext& context, const ArgmaxArgs& args) {
  const int64_t num_rows = args.logits.size(0);
  if (num_rows == 0) {
    return;
  }
  auto* keys = reinterpret_cast<unsigned long long*>(args.keys.as<uint64_t>());
  talon::cuda::queue_zero(context, keys, 8 * num_rows);
  dispatch_float(args.logits.dtype(), [&]<class T>() {
    launch(
        {.grid = dim3(grid_size(args.logits.size(1), kArgmaxPart), static_cast<unsigned>(num_rows)),
         .block = dim3(kArgmaxThreads),
         .stream = context.stream_handle(),
         .dependent = true},
        argmax_kernel<T>,
        {.keys = keys,
         .first = {.logits = args.logits.as<T>(),
                   .allowed = pointer_or_null<uint8_t>(args.allowed),
                   .size = args.logits.size(1),
                   .first_id = args.first_id},
         .stride = args.logits.stride(0)});
  });
}

}  // namespace talon::ops::cuda
