#include "ops/draft_input.h"

#include <algorithm>

#include "core/cpu_context.h"
#include "core/cpu_path.h"
#include "core/dtype.h"
#include "ops/cpu_loop.h"
#include "ops/row_kernels.h"

namespace talon::ops::cpu {
namespace {

// Calls body.operator()<kPath, T, G>() with the path and the types of the rows and of the gain.
template <class Body>
void dispatch(CpuContext& context, DType rows, DType gain, const Body& body) {
  dispatch_vector(context.path(), [&]<CpuPath kPath>() {
    dispatch_float(rows, [&]<class T>() {
      dispatch_float(gain, [&]<class G>() { body.template operator()<kPath, T, G>(); });
    });
  });
}

}  // namespace

void group_norm_fast(CpuContext& context, const GroupNormArgs& args) {
  const int64_t num_taps = args.gains.size(0);
  const int64_t hidden = args.gains.size(1);
  const NormRow row = {.size = hidden, .eps = args.eps, .offset = 0.0F};
  const auto body = [&]<CpuPath kPath, class T, class G>() {
    const int64_t num_items = args.out.size(0) * num_taps;
    for_rows(context, num_items, hidden, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t t = i / num_taps;
        const int64_t a = i % num_taps;
        norm_row<kPath, T, T, G>(args.out.row<T>(t) + a * hidden, args.taps.row<T>(t) + a * hidden,
                                 args.gains.row<G>(a), row);
      }
    });
  };
  dispatch(context, args.out.dtype(), args.gains.dtype(), body);
}

void embed_norm_concat_fast(CpuContext& context, const EmbedNormConcatArgs& args) {
  const int64_t vocabulary = args.table.size(0);
  const int64_t hidden = args.table.size(1);
  const NormRow row = {.size = hidden, .eps = args.eps, .offset = 0.0F};
  const auto* ids = args.ids.as<int32_t>();
  const auto body = [&]<CpuPath kPath, class T, class G>() {
    const G* embed_gain = args.embed_gain.as<G>();
    const G* hidden_gain = args.hidden_gain.as<G>();
    for_rows(context, args.out.size(0), 2 * hidden, [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) {
        T* out = args.out.row<T>(t);
        if (ids[t] >= 0 && ids[t] < vocabulary) {
          norm_row<kPath, T, bf16, G>(out, args.table.row<bf16>(ids[t]), embed_gain, row);
        } else {
          std::fill(out, out + hidden, T{});
          norm_row<kPath, T, T, G>(out, out, embed_gain, row);  // the sign of zero follows the gain
        }
        norm_row<kPath, T, T, G>(out + hidden, args.hidden.row<T>(t), hidden_gain, row);
      }
    });
  };
  dispatch(context, args.out.dtype(), args.embed_gain.dtype(), body);
}

}  // namespace talon::ops::cpu
