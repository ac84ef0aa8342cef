// One block a row, bytes whatever the dtype, or float32 rounded to bf16. A row past the end of x is
// an error of the program that a kernel can not report: it gives zeros.
#include "ops/gather_rows.h"

#include "ops/cuda_kernel.cuh"

namespace talon::ops::cuda {
namespace {

constexpr int kThreads = 256;

// In and Out: bytes to be copied, or float and bf16.
template <class In, class Out>
struct GatherParams {
  Out* out;             // [R, size]
  const In* x;          // [T, size]
  const int32_t* rows;  // [R], or null: row r
  int64_t out_stride;
  int64_t x_stride;
  int64_t num_rows;  // of x
  int64_t size;
};

__device__ inline uint8_t converted(uint8_t x, uint8_t /*out*/) { return x; }
__device__ inline bf16 converted(float x, bf16 /*out*/) { return rounded<bf16>(x); }

template <class In, class Out, int kWidth>
__global__ void __launch_bounds__(kThreads) gather_kernel(const GatherParams<In, Out> p) {
  await_previous();
  const int64_t r = blockIdx.x;
  const int64_t from = p.rows == nullptr ? r : p.rows[r];
  const bool exists = from >= 0 && from < p.num_rows;
  const In* x = p.x + (exists ? from : 0) * p.x_stride;
  Out* out = p.out + r * p.out_stride;
  for (int64_t c = threadIdx.x * kWidth; c < p.size; c += kThreads * kWidth) {
    Vector<Out, kWidth> y = {};
    if (exists) {
      const auto values = *reinterpret_cast<const Vector<In, kWidth>*>(x + c);
#pragma unroll
      for (int i = 0; i < kWidth; ++i) {
        y.at[i] = converted(values.at[i], Out{});
      }
    }
    *reinterpret_cast<Vector<Out, kWidth>*>(out + c) = y;
  }
}

// Sizes and strides of `args` are counted in `scale` of In and Out.
template <class In, class Out>
GatherParams<In, Out> params_of(const GatherRowsArgs& args, int64_t scale) {
  return {.out = reinterpret_cast<Out*>(args.out.data()),
          .x = reinterpret_cast<const In*>(args.x.data()),
          .rows = pointer_or_null<int32_t>(args.rows),
          .out_stride = args.out.stride(0) * scale,
          .x_stride = args.x.stride(0) * scale,
          .num_rows = args.x.size(0),
          .size = args.x.size(1) * scale};
}

LaunchShape shape_of(const CudaContext& context, const GatherRowsArgs& args) {
  return {.grid = dim3(static_cast<unsigned>(args.out.size(0))),
          .block = dim3(kThreads),
          .stream = context.stream_handle(),
          .dependent = true};
}

void copy_rows(const CudaContext& context, const GatherRowsArgs& args) {
  const auto params = params_of<uint8_t, uint8_t>(args, dtype_bytes(args.x.dtype()));
  const auto bits = reinterpret_cast<uintptr_t>(params.out) |
                    reinterpret_cast<uintptr_t>(params.x) |
                    static_cast<uintptr_t>(params.out_stride | params.x_stride | params.size);
  launch(shape_of(context, args),
         bits % 16 == 0  ? gather_kernel<uint8_t, uint8_t, 16>
         : bits % 4 == 0 ? gather_kernel<uint8_t, uint8_t, 4>
                         : gather_kernel<uint8_t, uint8_t, 1>,
         params);
}

void round_rows(const CudaContext& context, const GatherRowsArgs& args) {
  const bool wide = has_vector_rows<float>(args.x) && has_vector_rows<bf16>(args.out);
  launch(shape_of(context, args),
         wide ? gather_kernel<float, bf16, 4> : gather_kernel<float, bf16, 1>,
         params_of<float, bf16>(args, 1));
}

}  // namespace

void gather_rows(CudaContext& context, const GatherRowsArgs& args) {
  if (args.out.dtype() == args.x.dtype()) {
    copy_rows(context, args);
  } else {
    round_rows(context, args);
  }
}

}  // namespace talon::ops::cuda
