#include "ops/rope.h"

#include <algorithm>

#include "core/cpu_context.h"
#include "ops/cpu_loop.h"
#include "ops/cpu_math.h"

namespace talon::ops::cpu {

void rope_table(CpuContext& context, const RopeTableArgs& args) {
  const int64_t half = args.inv_freq.size(0);
  const auto* positions = args.positions.as<int32_t>();
  const auto* inv_freq = args.inv_freq.as<float>();
  constexpr int64_t kCosSinWork = 64;  // one pair takes about 10 ns
  for_rows(context, args.positions.size(0), half * kCosSinWork, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      float* cos = args.cos_sin.row<float>(t);
      float* sin = cos + half;
      const auto position = static_cast<float>(std::max(positions[t], 0));
      for (int64_t i = 0; i < half; ++i) {
        cpu_cos_sin(position * inv_freq[i], cos[i], sin[i]);
      }
    }
  });
}

}  // namespace talon::ops::cpu
