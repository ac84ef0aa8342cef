#include "ops/gated_activation.h"

#include "core/cpu_context.h"
#include "core/dtype.h"
#include "ops/cpu_loop.h"
#include "ops/cpu_math.h"

namespace talon::ops::cpu {
namespace {

// Comparisons are written so that a NaN passes through the clamps.
float activate(float gate, float up, const Activation& activation) {
  if (activation.kind == ActivationKind::kSilu) {
    return (gate * cpu_sigmoid(gate)) * up;
  }
  const float high = activation.limit;
  const float low = -activation.limit;
  const float g = high < gate ? high : gate;
  const float u_below = high < up ? high : up;
  const float u = low > u_below ? low : u_below;
  return ((u + 1.0F) * g) * cpu_sigmoid(activation.alpha * g);
}

template <class T, class In>
void run(CpuContext& context, const GatedActivationArgs& args) {
  const int64_t width = args.out.size(1);
  for_rows(context, args.out.size(0), width * kActivationWork, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      T* out = args.out.row<T>(t);
      const In* gate = args.gate_up.row<In>(t);
      const In* up = gate + width;
      for (int64_t w = 0; w < width; ++w) {
        out[w] = from_float<T>(activate(to_float(gate[w]), to_float(up[w]), args.activation));
      }
    }
  });
}

}  // namespace

void gated_activation(CpuContext& context, const GatedActivationArgs& args) {
  if (args.out.dtype() == DType::kF32) {
    run<float, float>(context, args);
  } else if (args.gate_up.dtype() == DType::kF32) {
    run<bf16, float>(context, args);
  } else {
    run<bf16, bf16>(context, args);
  }
}

}  // namespace talon::ops::cpu
