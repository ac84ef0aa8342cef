// One block a row: a copy of the table's row. gather_rows is the same with rows of any dtype.
#include "ops/embedding.h"

#include "ops/cuda_kernel.cuh"

namespace talon::ops::cuda {
namespace {

constexpr int kThreads = 256;

template <class T>
struct EmbeddingParams {
  T* out;              // [T, C]
  const int32_t* ids;  // [T]
  const bf16* table;   // [V, C]
  int64_t out_stride;
  int64_t vocabulary;
  int64_t size;
};

template <class T, int kWidth>
__global__ void __launch_bounds__(kThreads) embedding_kernel(const EmbeddingParams<T> p) {
  await_previous();
  const int64_t t = blockIdx.x;
  const int64_t id = p.ids[t];
  const bool exists = id >= 0 && id < p.vocabulary;
  const bf16* row = p.table + (exists ? id : 0) * p.size;
  for (int64_t c = threadIdx.x * kWidth; c < p.size; c += kThreads * kWidth) {
    Vector<T, kWidth> y;
    for (int i = 0; i < kWidth; ++i) {
      y.at[i] = rounded<T>(0.0F);
    }
    if (exists) {
      const auto x = *reinterpret_cast<const Vector<bf16, kWidth>*>(row + c);
      for (int i = 0; i < kWidth; ++i) {
        y.at[i] = rounded<T>(to_float(x.at[i]));
      }
    }
    *reinterpret_cast<Vector<T, kWidth>*>(p.out + t * p.out_stride + c) = y;
  }
}

}  // namespace

void embedding(CudaContext& context, const EmbeddingArgs& args) {
  dispatch_float(args.out.dtype(), [&]<class T>() {
    const EmbeddingParams<T> params = {.out = args.out.as<T>(),
                                       .ids = args.ids.as<int32_t>(),
                                       .table = args.table.as<bf16>(),
                                       .out_stride = args.out.stride(0),
                                       .vocabulary = args.table.size(0),
                                       .size = args.table.size(1)};
    const bool wide = has_vector_rows<T>(args.out) && has_vector_rows<T>(args.table);
    launch({.grid = dim3(static_cast<unsigned>(args.ids.size(0))),
            .block = dim3(kThreads),
            .stream = context.stream_handle(),
            .dependent = true},
           wide ? embedding_kernel<T, kVector<T>> : embedding_kernel<T, 1>, params);
  });
}

}  // namespace talon::ops::cuda
