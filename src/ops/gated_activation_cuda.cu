// One thread a vector of outputs. Reads two elements for each it writes; a launch at a few rows.
#include "ops/gated_activation.h"

#include "ops/cuda_kernel.cuh"
#include "ops/gated_activation_cuda.cuh"
#include "ops/norm_row.cuh"

namespace talon::ops::cuda {
namespace {

constexpr int kThreads = 256;

template <class T, class In>
struct GateParams {
  T* out;             // [T, W]
  const In* gate_up;  // [T, 2 W]
  int64_t out_stride;
  int64_t in_stride;
  int64_t width;
  Activation activation;
};

template <class T, class In, int kWidth>
__global__ void __launch_bounds__(kThreads) gate_kernel(const GateParams<T, In> p) {
  await_previous();
  const int64_t t = blockIdx.y;
  const int64_t w = (int64_t{blockIdx.x} * kThreads + threadIdx.x) * kWidth;
  if (w >= p.width) {
    return;
  }
  const In* gate = p.gate_up + t * p.in_stride + w;
  const Vector<float, kWidth> g = load_floats<In, kWidth>(gate);
  const Vector<float, kWidth> u = load_floats<In, kWidth>(gate + p.width);
  Vector<T, kWidth> y;
  for (int i = 0; i < kWidth; ++i) {
    y.at[i] = rounded<T>(activate(g.at[i], u.at[i], p.activation));
  }
  *reinterpret_cast<Vector<T, kWidth>*>(p.out + t * p.out_stride + w) = y;
}

template <class T, class In>
void run(const CudaContext& context, const GatedActivationArgs& args) {
  const int64_t width = args.out.size(1);
  const GateParams<T, In> params = {.out = args.out.as<T>(),
                                    .gate_up = args.gate_up.as<In>(),
                                    .out_stride = args.out.stride(0),
                                    .in_stride = args.gate_up.stride(0),
                                    .width = width,
                                    .activation = args.activation};
  constexpr int kWidth = 4;  // 16 bytes of float32, 8 of bf16
  const bool wide =
      has_vector_rows<T>(args.out) && has_vector_rows<In>(args.gate_up) && width % kVector<In> == 0;
  launch({.grid = dim3(grid_size(width, kThreads * (wide ? kWidth : 1)),
                       static_cast<unsigned>(args.out.size(0))),
          .block = dim3(kThreads),
          .stream = context.stream_handle(),
          .dependent = true},
         wide ? gate_kernel<T, In, kWidth> : gate_kernel<T, In, 1>, params);
}

}  // namespace

void gated_activation(CudaContext& context, const GatedActivationArgs& args) {
  if (args.out.dtype() == DType::kF32) {
    run<float, float>(context, args);
  } else if (args.gate_up.dtype() == DType::kF32) {
    run<bf16, float>(context, args);
  } else {
    run<bf16, bf16>(context, args);
  }
}

}  // namespace talon::ops::cuda
