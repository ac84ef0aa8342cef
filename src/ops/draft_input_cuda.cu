// One block a norm: (row, tap) or (row, half of the concatenation). The row of the table is read
// straight into its norm and never stored.
#include "ops/draft_input.h"

#include "ops/cuda_kernel.cuh"
#include "ops/norm_row.cuh"

namespace talon::ops::cuda {
namespace {

template <class T, class G>
struct GroupParams {
  T* out;          // [T, A, C]
  const T* taps;   // [T, A, C]
  const G* gains;  // [A, C]
  int64_t out_stride;
  int64_t taps_stride;
  int64_t size;
  float eps;
};

template <class T, class G, int kWidth>
__global__ void __launch_bounds__(kNormThreads) group_kernel(const GroupParams<T, G> p) {
  await_previous();
  const int64_t t = blockIdx.x;
  const int64_t column = blockIdx.y * p.size;
  const T* x = p.taps + t * p.taps_stride + column;
  norm_row<T, G, kWidth>(p.out + t * p.out_stride + column, p.gains + column, {p.size, p.eps, 0.0F},
                         [x](int64_t c) { return load_floats<T, kWidth>(x + c); });
}

template <class T, class G>
struct ConcatParams {
  T* out;                // [T, 2, C]
  const int32_t* ids;    // [T]
  const bf16* table;     // [V, C]
  const T* hidden;       // [T, C]
  const G* embed_gain;   // [C]
  const G* hidden_gain;  // [C]
  int64_t out_stride;
  int64_t hidden_stride;
  int64_t vocabulary;
  int64_t size;
  float eps;
};

template <class T, class G, int kWidth>
__global__ void __launch_bounds__(kNormThreads) concat_kernel(const ConcatParams<T, G> p) {
  await_previous();
  const int64_t t = blockIdx.x;
  T* out = p.out + t * p.out_stride;
  if (blockIdx.y == 1) {
    const T* x = p.hidden + t * p.hidden_stride;
    norm_row<T, G, kWidth>(out + p.size, p.hidden_gain, {p.size, p.eps, 0.0F},
                           [x](int64_t c) { return load_floats<T, kWidth>(x + c); });
    return;
  }
  const int64_t id = p.ids[t];
  const bool exists = id >= 0 && id < p.vocabulary;
  const bf16* x = p.table + (exists ? id : 0) * p.size;
  norm_row<T, G, kWidth>(out, p.embed_gain, {p.size, p.eps, 0.0F}, [x, exists](int64_t c) {
    return exists ? load_floats<bf16, kWidth>(x + c) : Vector<float, kWidth>{};
  });
}

template <class Body>
void dispatch(DType rows, DType gain, const Body& body) {
  dispatch_float(rows, [&]<class T>() {
    dispatch_float(gain, [&]<class G>() { body.template operator()<T, G>(); });
  });
}

}  // namespace

void group_norm(CudaContext& context, const GroupNormArgs& args) {
  dispatch(args.out.dtype(), args.gains.dtype(), [&]<class T, class G>() {
    const int64_t size = args.gains.size(1);
    const GroupParams<T, G> params = {.out = args.out.as<T>(),
                                      .taps = args.taps.as<T>(),
                                      .gains = args.gains.as<G>(),
                                      .out_stride = args.out.stride(0),
                                      .taps_stride = args.taps.stride(0),
                                      .size = size,
                                      .eps = args.eps};
    const bool wide =
        has_vector_rows<T>(args.out) && has_vector_rows<T>(args.taps) && size % kVector<T> == 0;
    launch({.grid = dim3(static_cast<unsigned>(args.out.size(0)),
                         static_cast<unsigned>(args.gains.size(0))),
            .block = dim3(kNormThreads),
            .stream = context.stream_handle(),
            .dependent = true},
           wide ? group_kernel<T, G, kVector<T>> : group_kernel<T, G, 1>, params);
  });
}

void embed_norm_concat(CudaContext& context, const EmbedNormConcatArgs& args) {
  dispatch(args.out.dtype(), args.embed_gain.dtype(), [&]<class T, class G>() {
    const int64_t size = args.table.size(1);
    const ConcatParams<T, G> params = {.out = args.out.as<T>(),
                                       .ids = args.ids.as<int32_t>(),
                                       .table = args.table.as<bf16>(),
                                       .hidden = args.hidden.as<T>(),
                                       .embed_gain = args.embed_gain.as<G>(),
                                       .hidden_gain = args.hidden_gain.as<G>(),
                                       .out_stride = args.out.stride(0),
                                       .hidden_stride = args.hidden.stride(0),
                                       .vocabulary = args.table.size(0),
                                       .size = size,
                                       .eps = args.eps};
    const bool wide = has_vector_rows<T>(args.out) && has_vector_rows<T>(args.hidden) &&
                      has_vector_rows<T>(args.table) && size % kVector<T> == 0;
    launch({.grid = dim3(static_cast<unsigned>(args.ids.size(0)), 2),
            .block = dim3(kNormThreads),
            .stream = context.stream_handle(),
            .dependent = true},
           wide ? concat_kernel<T, G, kVector<T>> : concat_kernel<T, G, 1>, params);
  });
}

}  // namespace talon::ops::cuda
