#include "ops/round_slots.h"

#include <algorithm>
#include <cstdint>

#include "base/check.h"
#include "base/ids.h"
#include "core/cpu_context.h"
#include "ops/stamp.h"

// A few integers a row: never worth a second thread.
namespace talon::ops::cpu {
namespace {

void check_slot(const SlotState& state, int32_t slot) {
  TALON_CHECK(slot >= 0 && slot < state.kv_len.size(0), "slot {} of {}", slot,
              state.kv_len.size(0));
}

}  // namespace

void patch_slots(CpuContext& /*context*/, const PatchSlotsArgs& args) {
  const SlotState& state = args.state;
  const int64_t num_pages = state.page_table.size(1);
  for (int64_t i = 0; i < args.joins.size(0); ++i) {
    const auto* join = args.joins.row<int32_t>(i);
    check_slot(state, join[0]);
    std::fill_n(state.page_table.row<int32_t>(join[0]), num_pages, kNullPage.value);
    state.kv_len.as<int32_t>()[join[0]] = join[1];
    state.num_drafts.as<int32_t>()[join[0]] = 0;
  }
  for (int64_t i = 0; i < args.pages.size(0); ++i) {
    const auto* entry = args.pages.row<int32_t>(i);
    check_slot(state, entry[0]);
    TALON_CHECK(entry[1] >= 0 && entry[1] < num_pages, "page {} of {}", entry[1], num_pages);
    TALON_CHECK(entry[2] != kNullPage.value, "the null page in a table");
    state.page_table.row<int32_t>(entry[0])[entry[1]] = entry[2];
  }
}

void prepare_round(CpuContext& /*context*/, const PrepareRoundArgs& args) {
  const SlotState& state = args.state;
  const auto* slots = args.slots.as<int32_t>();
  const int64_t num_pages = state.page_table.size(1);
  const int64_t max_drafts = state.drafts.size(1);
  for (int64_t b = 0; b < args.slots.size(0); ++b) {
    const int32_t slot = slots[b];
    if (slot < 0) {
      args.kv_lens.as<int32_t>()[b] = 0;
      std::fill_n(args.page_table.row<int32_t>(b), num_pages, kNullPage.value);
      continue;
    }
    check_slot(state, slot);
    const int32_t num_drafts = args.num_drafts.as<int32_t>()[b];
    TALON_CHECK(num_drafts <= state.num_drafts.as<int32_t>()[slot], "{} of {} drafts", num_drafts,
                state.num_drafts.as<int32_t>()[slot]);
    args.kv_lens.as<int32_t>()[b] = state.kv_len.as<int32_t>()[slot];
    std::copy_n(state.page_table.row<int32_t>(slot), num_pages, args.page_table.row<int32_t>(b));
    if (num_drafts > 0) {
      std::copy_n(state.drafts.row<int32_t>(slot), num_drafts, args.drafts.row<int32_t>(b));
    }
  }
  auto* tokens = args.token_ids.as<int32_t>();
  auto* positions = args.positions.as<int32_t>();
  for (int64_t t = 0; t < args.row_sequence.size(0); ++t) {
    const int32_t b = args.row_sequence.as<int32_t>()[t];
    const int32_t offset = args.row_offsets.as<int32_t>()[t];
    const int32_t given = args.given_tokens.as<int32_t>()[t];
    TALON_CHECK(b >= 0 && b < args.slots.size(0), "row {} belongs to sequence {}", t, b);
    if (slots[b] < 0 || offset < 0) {
      positions[t] = -1;
      tokens[t] = -1;
      continue;
    }
    positions[t] = args.kv_lens.as<int32_t>()[b] + offset;
    if (given >= 0) {
      tokens[t] = given;
    } else if (offset == 0) {
      tokens[t] = state.pending.as<int32_t>()[slots[b]];
    } else {
      TALON_CHECK(offset <= max_drafts, "row {} is draft {} of {}", t, offset, max_drafts);
      tokens[t] = state.drafts.row<int32_t>(slots[b])[offset - 1];
    }
  }
  for (int64_t i = 0; i < args.choice_rows.size(0); ++i) {
    const int32_t position = positions[args.choice_rows.as<int32_t>()[i]];
    args.choice_indices.as<int32_t>()[i] = position < 0 ? -1 : position + 1;
  }
}

void advance_round(CpuContext& /*context*/, const AdvanceRoundArgs& args) {
  const SlotState& state = args.state;
  const auto* choices = args.choices.as<int32_t>();
  const auto* emitted = args.emitted.as<int32_t>();
  for (int64_t b = 0; b < args.slots.size(0); ++b) {
    const int32_t slot = args.slots.as<int32_t>()[b];
    args.last_rows.as<int32_t>()[b] = -1;
    args.active.as<int32_t>()[b] = 0;
    args.kv_len.as<int32_t>()[b] = 0;
    if (slot < 0) {
      continue;
    }
    check_slot(state, slot);
    const int32_t accepted = args.accepted.as<int32_t>()[b];
    const int32_t num_drafts = args.num_drafts.as<int32_t>()[b];
    const int32_t num_valid =
        args.query_lens.as<int32_t>()[b] - (num_drafts - std::max(accepted, 0));
    const int32_t kv_len = args.kv_lens.as<int32_t>()[b] + num_valid;
    args.kv_len.as<int32_t>()[b] = kv_len;
    state.kv_len.as<int32_t>()[slot] = kv_len;
    state.num_drafts.as<int32_t>()[slot] = 0;
    if (accepted < 0) {
      continue;
    }
    args.last_rows.as<int32_t>()[b] = args.query_starts.as<int32_t>()[b] + num_valid - 1;
    args.active.as<int32_t>()[b] = args.new_drafts.as<int32_t>()[b] > 0 ? 1 : 0;
    state.pending.as<int32_t>()[slot] = args.next_token.as<int32_t>()[b];
    // Rows up to the last valid one take the token that was emitted there as the one after
    // themselves. Rows past it are overwritten by the next round; any token serves.
    const int32_t first = args.first_choice.as<int32_t>()[b];
    for (int32_t i = first; i <= first + num_drafts; ++i) {
      args.next_tokens.as<int32_t>()[args.choice_rows.as<int32_t>()[i]] =
          emitted[i] >= 0 ? emitted[i] : choices[i];
    }
  }
}

void finish_round(CpuContext& /*context*/, const FinishRoundArgs& args) {
  const SlotState& state = args.state;
  const auto max_drafts = static_cast<int32_t>(state.drafts.size(1));
  const int64_t round = *args.counter.as<int64_t>();
  const TensorView entry = args.ring.at(round % kRingEntries);
  for (int64_t b = 0; b < args.slots.size(0); ++b) {
    auto* row = entry.row<int32_t>(b);
    std::fill_n(row, ring_row_words(max_drafts), -1);
    const int32_t slot = args.slots.as<int32_t>()[b];
    if (slot < 0) {
      continue;
    }
    check_slot(state, slot);
    const int32_t accepted = args.accepted.as<int32_t>()[b];
    const bool is_active = args.active.as<int32_t>()[b] != 0;
    const int32_t num_drafts = is_active ? args.new_drafts.as<int32_t>()[b] : 0;
    row[kRingAccepted] = accepted;
    row[kRingKvLen] = args.kv_len.as<int32_t>()[b];
    row[kRingNumDrafts] = num_drafts;
    if (num_drafts > 0) {
      TALON_CHECK(num_drafts <= args.drafts.size(1), "{} of {} new drafts", num_drafts,
                  args.drafts.size(1));
      std::copy_n(args.drafts.row<int32_t>(b), num_drafts, row + kRingDrafts);
      std::copy_n(args.drafts.row<int32_t>(b), num_drafts, state.drafts.row<int32_t>(slot));
      state.num_drafts.as<int32_t>()[slot] = num_drafts;
    }
    if (accepted >= 0) {
      TALON_CHECK(accepted <= max_drafts, "{} of {} drafts stand", accepted, max_drafts);
      std::copy_n(args.emitted.as<int32_t>() + args.first_choice.as<int32_t>()[b], accepted + 1,
                  row + ring_emitted(max_drafts));
    }
  }
  auto* header = args.headers.row<int64_t>(round % kRingEntries);
  header[0] = round;
  std::copy_n(args.times.as<int64_t>(), kRoundTimes - 1, header + 1);
  header[kRoundTimes] = now_ns();
  *args.counter.as<int64_t>() = round + 1;
}

}  // namespace talon::ops::cpu
