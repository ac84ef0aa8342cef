#include "ops/count_tokens.h"

#include <cstdint>

#include "base/check.h"
#include "core/cpu_context.h"
#include "ops/choose.h"

namespace talon::ops::cpu {

// A few integers a sequence: never worth a second thread.
void count_tokens(CpuContext& /*context*/, const CountTokensArgs& args) {
  const auto* flags = args.flags.as<int32_t>();
  const auto* tokens = args.tokens.as<int32_t>();
  const auto* slots = args.slots.as<int32_t>();
  for (int64_t i = 0; i < args.tokens.size(0); ++i) {
    if (tokens[i] < 0 || slots[i] < 0) {
      continue;
    }
    TALON_CHECK(slots[i] < args.counts.size(0), "slot {} of {}", slots[i], args.counts.size(0));
    TALON_CHECK(tokens[i] < args.counts.size(1), "token {} of {}", tokens[i], args.counts.size(1));
    if ((flags[slots[i]] & kSlotPenalises) != 0) {
      args.counts.row<int32_t>(slots[i])[tokens[i]] += 2;
    }
  }
}

}  // namespace talon::ops::cpu
