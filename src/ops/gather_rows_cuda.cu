// One block a row, bytes whatever the dtype. A row past the end of x is an error of the program
// that a kernel can not report: it gives zeros.
#include "ops/gather_rows.h"

#include "ops/cuda_kernel.cuh"

namespace talon::ops::cuda {
namespace {

constexpr int kThreads = 256;

struct GatherParams {
  std::byte* out;       // [R, bytes]
  const std::byte* x;   // [T, bytes]
  const int32_t* rows;  // [R], or null: row r
  int64_t out_stride;   // in bytes
  int64_t x_stride;
  int64_t num_rows;  // of x
  int64_t row_bytes;
};

template <int kWidth>
__global__ void __launch_bounds__(kThreads) gather_kernel(const GatherParams p) {
  await_previous();
  const int64_t r = blockIdx.x;
  const int64_t from = p.rows == nullptr ? r : p.rows[r];
  const bool exists = from >= 0 && from < p.num_rows;
  const std::byte* x = p.x + (exists ? from : 0) * p.x_stride;
  std::byte* out = p.out + r * p.out_stride;
  for (int64_t c = threadIdx.x * kWidth; c < p.row_bytes; c += kThreads * kWidth) {
    Vector<uint8_t, kWidth> bytes = {};
    if (exists) {
      bytes = *reinterpret_cast<const Vector<uint8_t, kWidth>*>(x + c);
    }
    *reinterpret_cast<Vector<uint8_t, kWidth>*>(out + c) = bytes;
  }
}

}  // namespace

void gather_rows(CudaContext& context, const GatherRowsArgs& args) {
  const int64_t element = dtype_bytes(args.x.dtype());
  const GatherParams params = {.out = args.out.data(),
                               .x = args.x.data(),
                               .rows = pointer_or_null<int32_t>(args.rows),
                               .out_stride = args.out.stride(0) * element,
                               .x_stride = args.x.stride(0) * element,
                               .num_rows = args.x.size(0),
                               .row_bytes = args.x.size(1) * element};
  const auto bits = reinterpret_cast<uintptr_t>(params.out) |
                    reinterpret_cast<uintptr_t>(params.x) |
                    static_cast<uintptr_t>(params.out_stride | params.x_stride | params.row_bytes);
  launch({.grid = dim3(static_cast<unsigned>(args.out.size(0))),
          .block = dim3(kThreads),
          .stream = context.stream_handle(),
          .dependent = true},
         bits % 16 == 0  ? gather_kernel<16>
         : bits % 4 == 0 ? gather_kernel<4>
                         : gather_kernel<1>,
         params);
}

}  // namespace talon::ops::cuda
