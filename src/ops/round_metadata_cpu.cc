#include "ops/round_metadata.h"

#include <algorithm>

#include "base/check.h"
#include "base/ids.h"
#include "core/cpu_context.h"

namespace talon::ops::cpu {
namespace {

// The slot of a position that exists; the null page's if it does not or has no page.
int64_t slot_of(int32_t position, const int32_t* pages, int64_t num_pages, int32_t limit) {
  const int32_t offset = std::max(position, 0) % kPageTokens;
  if (position < 0 || position >= limit || position / kPageTokens >= num_pages) {
    return offset;
  }
  return int64_t{pages[position / kPageTokens]} * kPageTokens + offset;
}

}  // namespace

void write_slots(CpuContext& /*context*/, const WriteSlotsArgs& args) {
  auto* slots = args.slots.as<int64_t>();
  const auto* positions = args.positions.as<int32_t>();
  const auto* row_sequence = args.row_sequence.as<int32_t>();
  const int64_t num_pages = args.page_table.size(1);
  for (int64_t t = 0; t < args.positions.size(0); ++t) {
    if (positions[t] < 0) {
      slots[t] = 0;  // a dead row need not belong to a sequence
      continue;
    }
    TALON_CHECK(row_sequence[t] >= 0 && row_sequence[t] < args.page_table.size(0),
                "row {} belongs to sequence {} of {}", t, row_sequence[t], args.page_table.size(0));
    const int32_t* pages = args.page_table.row<int32_t>(row_sequence[t]);
    slots[t] = slot_of(positions[t], pages, num_pages, args.context_limit);
  }
}

void draft_step(CpuContext& /*context*/, const DraftStepArgs& args) {
  auto* positions = args.positions.as<int32_t>();
  auto* slots = args.slots.as<int64_t>();
  const auto* kv_len = args.kv_len.as<int32_t>();
  const auto* active = args.active.as<int32_t>();
  const int64_t num_pages = args.page_table.size(1);
  for (int64_t b = 0; b < args.kv_len.size(0); ++b) {
    // In 64 bits: an inactive slot's length may be anything.
    const int64_t position = int64_t{kv_len[b]} + args.step - 1;
    const bool exists = active[b] != 0 && position >= 0 && position < args.context_limit;
    positions[b] = exists ? static_cast<int32_t>(position) : -1;
    slots[b] =
        slot_of(positions[b], args.page_table.row<int32_t>(b), num_pages, args.context_limit);
  }
}

}  // namespace talon::ops::cpu
