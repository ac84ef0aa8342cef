#include "ops/gated_activation.h"

#include "core/cpu_context.h"
#include "core/cpu_path.h"
#include "core/dtype.h"
#include "ops/cpu_loop.h"
#include "ops/row_kernels.h"

namespace talon::ops::cpu {
namespace {

template <class T, class In>
void run(CpuContext& context, const GatedActivationArgs& args) {
  const int64_t width = args.out.size(1);
  dispatch_vector(context.path(), [&]<CpuPath kPath>() {
    for_rows(context, args.out.size(0), width * kActivationWork, [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) {
        const In* gate = args.gate_up.row<In>(t);
        gated_row<kPath, T, In>(args.out.row<T>(t), gate, gate + width, width, args.activation);
      }
    });
  });
}

}  // namespace

void gated_activation_fast(CpuContext& context, const GatedActivationArgs& args) {
  if (args.out.dtype() == DType::kF32) {
    run<float, float>(context, args);
  } else if (args.gate_up.dtype() == DType::kF32) {
    run<bf16, float>(context, args);
  } else {
    run<bf16, bf16>(context, args);
  }
}

}  // namespace talon::ops::cpu
