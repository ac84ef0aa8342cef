#include "ops/emit_tokens.h"

#include <algorithm>
#include <cstdint>

#include "base/check.h"
#include "core/cpu_context.h"

namespace talon::ops::cpu {

// A few integers a sequence: never worth a second thread.
void emit_tokens(CpuContext& /*context*/, const EmitTokensArgs& args) {
  auto* emitted = args.emitted.as<int32_t>();
  std::fill_n(emitted, args.emitted.size(0), -1);
  for (int64_t b = 0; b < args.first_choice.size(0); ++b) {
    const int64_t first = args.first_choice.as<int32_t>()[b];
    if (first < 0) {
      continue;
    }
    const int32_t accepted = args.accepted.as<int32_t>()[b];
    const int32_t num_drafts = args.num_drafts.as<int32_t>()[b];
    TALON_CHECK(accepted >= 0 && accepted <= num_drafts, "sequence {}: {} of {} drafts stand", b,
                accepted, num_drafts);
    TALON_CHECK(num_drafts <= args.drafts.size(1) && first + num_drafts < args.emitted.size(0),
                "sequence {} has choices {} + {} of {}", b, first, num_drafts,
                args.emitted.size(0));
    if (accepted > 0) {
      std::copy_n(args.drafts.row<int32_t>(b), accepted, emitted + first);
    }
    emitted[first + accepted] = args.next_token.as<int32_t>()[b];
  }
}

}  // namespace talon::ops::cpu
