#include "ops/force_accept.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "base/check.h"
#include "base/rng.h"
#include "core/cpu_context.h"

namespace talon::ops::cpu {

// A few integers a sequence: never worth a second thread.
void force_accept(CpuContext& /*context*/, const ForceAcceptArgs& args) {
  const double whole = std::floor(args.extra);
  auto* accepted = args.accepted.as<int32_t>();
  auto* next_token = args.next_token.as<int32_t>();
  for (int64_t b = 0; b < args.first_choice.size(0); ++b) {
    const int64_t first = args.first_choice.as<int32_t>()[b];
    if (first < 0) {
      accepted[b] = -1;
      next_token[b] = -1;
      continue;
    }
    const int32_t num_drafts = args.num_drafts.as<int32_t>()[b];
    const int32_t slot = args.slots.as<int32_t>()[b];
    TALON_CHECK(num_drafts >= 0 && first + num_drafts < args.choices.size(0),
                "sequence {} has choices {} + {} of {}", b, first, num_drafts,
                args.choices.size(0));
    TALON_CHECK(slot >= 0 && slot < args.seeds.size(0), "slot {} of {}", slot, args.seeds.size(0));
    const auto seed = static_cast<uint64_t>(args.seeds.as<int64_t>()[slot]);
    const auto index = static_cast<uint64_t>(args.indices.as<int32_t>()[first]);
    const auto u = static_cast<double>(uniform_float(seed, index, RngPurpose::kSynthetic));
    const double wanted = whole + (u < args.extra - whole ? 1.0 : 0.0);
    accepted[b] = static_cast<int32_t>(std::min(wanted, static_cast<double>(num_drafts)));
    next_token[b] = args.choices.as<int32_t>()[first + accepted[b]];
  }
}

}  // namespace talon::ops::cpu
