#include "ops/argmax.h"

#include <algorithm>

#include "core/cpu_context.h"
#include "core/dtype.h"
#include "ops/cpu_loop.h"

namespace talon::ops::cpu {

void argmax(CpuContext& context, const ArgmaxArgs& args) {
  const int64_t vocabulary = args.logits.size(1);
  const uint8_t* allowed = args.allowed.empty() ? nullptr : args.allowed.as<uint8_t>();
  auto* keys = args.keys.as<uint64_t>();
  dispatch_float(args.logits.dtype(), [&]<class T>() {
    for_rows(context, args.logits.size(0), vocabulary, [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        const T* logits = args.logits.row<T>(r);
        uint64_t best = 0;
        for (int64_t c = 0; c < vocabulary; ++c) {
          if (allowed == nullptr || allowed[c] != 0) {
            const auto id = static_cast<int32_t>(args.first_id + c);
            best = std::max(best, argmax_key(to_float(logits[c]), id));
          }
        }
        keys[r] = best;
      }
    });
  });
}

}  // namespace talon::ops::cpu
