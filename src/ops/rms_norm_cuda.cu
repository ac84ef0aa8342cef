// One block a row. A row of 6144 bf16 is 12 KB: at a few rows the time is that of a launch and two
// trips to memory, at many it approaches the copy rate (2 rows read or 3, and 1 or 2 written).
#include "ops/rms_norm.h"

#include "ops/cuda_kernel.cuh"
#include "ops/norm_row.cuh"
#include "ops/norm_types.h"

namespace talon::ops::cuda {
namespace {

template <class T, class In, class G>
struct NormParams {
  T* out;          // [T, C]
  const In* x;     // [T, C] of rms_norm
  const T* delta;  // [T, C] of add_rms_norm
  In* residual;    // [T, C] of add_rms_norm
  const G* gain;   // [C]
  int64_t out_stride;
  int64_t x_stride;  // of x or delta
  int64_t residual_stride;
  NormForm form;
};

template <class T, class In, class G, int kWidth>
__global__ void __launch_bounds__(kNormThreads) norm_kernel(const NormParams<T, In, G> p) {
  await_previous();
  const int64_t t = blockIdx.x;
  const In* x = p.x + t * p.x_stride;
  norm_row<T, G, kWidth>(p.out + t * p.out_stride, p.gain, p.form,
                         [x](int64_t c) { return load_floats<In, kWidth>(x + c); });
}

// A thread reads back only what it wrote itself.
template <class T, class In, class G, int kWidth>
__global__ void __launch_bounds__(kNormThreads) add_norm_kernel(const NormParams<T, In, G> p) {
  await_previous();
  const int64_t t = blockIdx.x;
  const T* delta = p.delta + t * p.x_stride;
  In* residual = p.residual + t * p.residual_stride;
  for (int64_t c = threadIdx.x * kWidth; c < p.form.size; c += kNormThreads * kWidth) {
    const Vector<float, kWidth> x = load_floats<In, kWidth>(residual + c);
    const Vector<float, kWidth> y = load_floats<T, kWidth>(delta + c);
    Vector<In, kWidth> sum;
    for (int i = 0; i < kWidth; ++i) {
      sum.at[i] = rounded<In>(x.at[i] + y.at[i]);
    }
    *reinterpret_cast<Vector<In, kWidth>*>(residual + c) = sum;
  }
  norm_row<T, G, kWidth>(p.out + t * p.out_stride, p.gain, p.form,
                         [residual](int64_t c) { return load_floats<In, kWidth>(residual + c); });
}

template <class T>
struct AddParams {
  T* out;      // [T, C]
  const T* x;  // [T, C]
  const T* y;  // [T, C]
  int64_t out_stride;
  int64_t x_stride;
  int64_t y_stride;
  int64_t size;
};

template <class T, int kWidth>
__global__ void __launch_bounds__(kNormThreads) add_kernel(const AddParams<T> p) {
  await_previous();
  const int64_t t = blockIdx.x;
  for (int64_t c = threadIdx.x * kWidth; c < p.size; c += kNormThreads * kWidth) {
    const Vector<float, kWidth> x = load_floats<T, kWidth>(p.x + t * p.x_stride + c);
    const Vector<float, kWidth> y = load_floats<T, kWidth>(p.y + t * p.y_stride + c);
    Vector<T, kWidth> sum;
    for (int i = 0; i < kWidth; ++i) {
      sum.at[i] = rounded<T>(x.at[i] + y.at[i]);
    }
    *reinterpret_cast<Vector<T, kWidth>*>(p.out + t * p.out_stride + c) = sum;
  }
}

NormForm form_of(int64_t size, float eps, GainForm form) {
  return {.size = size, .eps = eps, .offset = form == GainForm::kZeroCentred ? 1.0F : 0.0F};
}

LaunchShape shape_of(const CudaContext& context, int64_t rows) {
  return {.grid = dim3(static_cast<unsigned>(rows)),
          .block = dim3(kNormThreads),
          .stream = context.stream_handle(),
          .dependent = true};
}

}  // namespace

void rms_norm(CudaContext& context, const RmsNormArgs& args) {
  const DType in = args.x.dtype();
  dispatch_norm_types(args.out.dtype(), in, args.gain.dtype(), [&]<class T, class In, class G>() {
    const NormParams<T, In, G> params = {.out = args.out.as<T>(),
                                         .x = args.x.as<In>(),
                                         .delta = nullptr,
                                         .residual = nullptr,
                                         .gain = args.gain.as<G>(),
                                         .out_stride = args.out.stride(0),
                                         .x_stride = args.x.stride(0),
                                         .residual_stride = 0,
                                         .form = form_of(args.out.size(1), args.eps, args.form)};
    const bool wide = has_vector_rows<T>(args.out) && has_vector_rows<In>(args.x);
    launch(shape_of(context, args.out.size(0)),
           wide ? norm_kernel<T, In, G, kVector<In>> : norm_kernel<T, In, G, 1>, params);
  });
}

void add_rms_norm(CudaContext& context, const AddRmsNormArgs& args) {
  const DType in = args.residual.dtype();
  dispatch_norm_types(args.out.dtype(), in, args.gain.dtype(), [&]<class T, class In, class G>() {
    const NormParams<T, In, G> params = {.out = args.out.as<T>(),
                                         .x = nullptr,
                                         .delta = args.delta.as<T>(),
                                         .residual = args.residual.as<In>(),
                                         .gain = args.gain.as<G>(),
                                         .out_stride = args.out.stride(0),
                                         .x_stride = args.delta.stride(0),
                                         .residual_stride = args.residual.stride(0),
                                         .form = form_of(args.out.size(1), args.eps, args.form)};
    const bool wide = has_vector_rows<T>(args.out) && has_vector_rows<T>(args.delta) &&
                      has_vector_rows<In>(args.residual);
    launch(shape_of(context, args.out.size(0)),
           wide ? add_norm_kernel<T, In, G, kVector<In>> : add_norm_kernel<T, In, G, 1>, params);
  });
}

void add(CudaContext& context, const AddArgs& args) {
  dispatch_float(args.out.dtype(), [&]<class T>() {
    const AddParams<T> params = {.out = args.out.as<T>(),
                                 .x = args.x.as<T>(),
                                 .y = args.y.as<T>(),
                                 .out_stride = args.out.stride(0),
                                 .x_stride = args.x.stride(0),
                                 .y_stride = args.y.stride(0),
                                 .size = args.out.size(1)};
    const bool wide =
        has_vector_rows<T>(args.out) && has_vector_rows<T>(args.x) && has_vector_rows<T>(args.y);
    launch(shape_of(context, args.out.size(0)), wide ? add_kernel<T, kVector<T>> : add_kernel<T, 1>,
           params);
  });
}

}  // namespace talon::ops::cuda
