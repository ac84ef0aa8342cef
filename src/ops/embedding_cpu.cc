#include "ops/embedding.h"

#include <algorithm>

#include "core/cpu_context.h"
#include "core/dtype.h"
#include "ops/cpu_loop.h"

namespace talon::ops::cpu {
namespace {

void copy_row(bf16* out, const bf16* x, int64_t size) { std::copy(x, x + size, out); }

void copy_row(float* out, const bf16* x, int64_t size) {
  for (int64_t c = 0; c < size; ++c) {
    out[c] = to_float(x[c]);
  }
}

template <class T>
void run(CpuContext& context, const EmbeddingArgs& args) {
  const int64_t vocabulary = args.table.size(0);
  const int64_t hidden = args.table.size(1);
  const auto* ids = args.ids.as<int32_t>();
  for_rows(context, args.ids.size(0), hidden, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      T* out = args.out.row<T>(t);
      if (ids[t] >= 0 && ids[t] < vocabulary) {
        copy_row(out, args.table.row<bf16>(ids[t]), hidden);
      } else {
        std::fill(out, out + hidden, T{});
      }
    }
  });
}

}  // namespace

void embedding(CpuContext& context, const EmbeddingArgs& args) {
  dispatch_float(args.out.dtype(), [&]<class T>() { run<T>(context, args); });
}

}  // namespace talon::ops::cpu
