#include "ops/accept.h"

#include "base/check.h"
#include "core/cpu_context.h"

namespace talon::ops::cpu {

// A few integers a sequence: never worth a second thread.
void accept(CpuContext& /*context*/, const AcceptArgs& args) {
  auto* accepted = args.accepted.as<int32_t>();
  auto* next_token = args.next_token.as<int32_t>();
  const auto* choices = args.choices.as<int32_t>();
  const auto* first_choice = args.first_choice.as<int32_t>();
  const auto* num_drafts = args.num_drafts.as<int32_t>();
  for (int64_t b = 0; b < args.first_choice.size(0); ++b) {
    const int64_t first = first_choice[b];
    if (first < 0) {
      accepted[b] = -1;
      next_token[b] = -1;
      continue;
    }
    TALON_CHECK(num_drafts[b] >= 0 && num_drafts[b] <= args.drafts.size(1),
                "sequence {} has {} drafts of {}", b, num_drafts[b], args.drafts.size(1));
    TALON_CHECK(first + num_drafts[b] < args.choices.size(0),
                "sequence {} has choices {} + {} of {}", b, first, num_drafts[b],
                args.choices.size(0));
    const int32_t* drafts = args.drafts.row<int32_t>(b);
    int32_t count = 0;
    while (count < num_drafts[b] && drafts[count] == choices[first + count]) {
      ++count;
    }
    accepted[b] = count;
    next_token[b] = choices[first + count];
  }
}

}  // namespace talon::ops::cpu
