#include "ops/qkv_norm_rope_append.h"

#include <cmath>

#include "core/cpu_context.h"
#include "core/dtype.h"
#include "ops/cpu_loop.h"
#include "ops/cpu_math.h"
#include "ops/qkv_rows.h"

namespace talon::ops::cpu {
namespace {

template <class T, class G>
void norm_rope(T* out, const T* x, const G* gain, const HeadRow& head) {
  float inverse = 1.0F;
  if (gain != nullptr) {
    const float sum =
        lane_sum(head.size, [x](int64_t c) { return to_float(x[c]) * to_float(x[c]); });
    inverse = 1.0F / std::sqrt(sum / static_cast<float>(head.size) + head.eps);
  }
  const auto normed = [&](int64_t c) {
    const float v = to_float(x[c]);
    return gain != nullptr ? (v * inverse) * (1.0F + to_float(gain[c])) : v;
  };
  for (int64_t j = 0; j < head.half; ++j) {
    const float a = normed(j);
    const float b = normed(j + head.half);
    out[j] = from_float<T>(a * head.cos[j] - b * head.sin[j]);
    out[j + head.half] = from_float<T>(b * head.cos[j] + a * head.sin[j]);
  }
  for (int64_t c = 2 * head.half; c < head.size; ++c) {
    out[c] = from_float<T>(normed(c));
  }
}

}  // namespace

void qkv_norm_rope_append(CpuContext& context, const QkvNormRopeAppendArgs& args) {
  dispatch_qkv(args, [&]<class T, class G>() {
    for_rows(context, args.q.size(0), args.qkv.size(1), [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) {
        append_row<T, G>(args, t, norm_rope<T, G>);
      }
    });
  });
}

}  // namespace talon::ops::cpu
