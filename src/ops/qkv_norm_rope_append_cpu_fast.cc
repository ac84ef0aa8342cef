#include "ops/qkv_norm_rope_append.h"

#include "core/cpu_context.h"
#include "core/cpu_path.h"
#include "ops/cpu_loop.h"
#include "ops/qkv_rows.h"
#include "ops/row_kernels.h"

namespace talon::ops::cpu {

void qkv_norm_rope_append_fast(CpuContext& context, const QkvNormRopeAppendArgs& args) {
  dispatch_vector(context.path(), [&]<CpuPath kPath>() {
    dispatch_qkv(args, [&]<class T, class G>() {
      for_rows(context, args.q.size(0), args.qkv.size(1), [&](int64_t begin, int64_t end) {
        for (int64_t t = begin; t < end; ++t) {
          append_row<T, G>(args, t, norm_rope_row<kPath, T, G>);
        }
      });
    });
  });
}

}  // namespace talon::ops::cpu
