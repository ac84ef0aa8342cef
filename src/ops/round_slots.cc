#include "ops/round_slots.h"

#include "base/check.h"
#include "core/backend.h"
#include "core/dtype.h"
#include "core/profile_range.h"
#include "core/stream.h"
#include "ops/op_checks.h"

namespace talon::ops {
namespace {

void check_state(const OpChecks& check, const SlotState& state) {
  check.rank("drafts", state.drafts, 2);
  check.rank("page_table", state.page_table, 2);
  const int64_t num_slots = state.drafts.size(0);
  check.operand("kv_len", state.kv_len, DType::kI32, {num_slots});
  check.operand("pending", state.pending, DType::kI32, {num_slots});
  check.operand("num_drafts", state.num_drafts, DType::kI32, {num_slots});
  check.operand("drafts", state.drafts, DType::kI32, {num_slots, state.drafts.size(1)});
  check.operand("page_table", state.page_table, DType::kI32, {num_slots, state.page_table.size(1)});
}

}  // namespace

void patch_slots(Stream stream, const PatchSlotsArgs& args) {
  const OpChecks check("patch_slots", stream);
  check_state(check, args.state);
  check.rank("joins", args.joins, 2);
  check.rank("pages", args.pages, 2);
  check.operand("joins", args.joins, DType::kI32, {args.joins.size(0), 2});
  check.operand("pages", args.pages, DType::kI32, {args.pages.size(0), 3});
  check.output("page_table", args.state.page_table, args.joins, args.pages);
  if constexpr (kHasCuda) {
    if (stream.is_cuda()) {
      const ProfileRange range("patch_slots");
      return cuda::patch_slots(stream.cuda(), args);
    }
  }
  cpu::patch_slots(stream.cpu(), args);
}

void prepare_round(Stream stream, const PrepareRoundArgs& args) {
  const OpChecks check("prepare_round", stream);
  check_state(check, args.state);
  check.rank("row_sequence", args.row_sequence, 1);
  check.rank("slots", args.slots, 1);
  check.rank("choice_rows", args.choice_rows, 1);
  const int64_t num_rows = args.row_sequence.size(0);
  const int64_t num_sequences = args.slots.size(0);
  const int64_t num_choices = args.choice_rows.size(0);
  check.operand("token_ids", args.token_ids, DType::kI32, {num_rows});
  check.operand("positions", args.positions, DType::kI32, {num_rows});
  check.operand("kv_lens", args.kv_lens, DType::kI32, {num_sequences});
  check.operand("page_table", args.page_table, DType::kI32,
                {num_sequences, args.state.page_table.size(1)});
  check.operand("drafts", args.drafts, DType::kI32, {num_sequences, args.state.drafts.size(1)});
  check.operand("choice_indices", args.choice_indices, DType::kI32, {num_choices});
  check.operand("slots", args.slots, DType::kI32, {num_sequences});
  check.operand("num_drafts", args.num_drafts, DType::kI32, {num_sequences});
  check.operand("row_sequence", args.row_sequence, DType::kI32, {num_rows});
  check.operand("row_offsets", args.row_offsets, DType::kI32, {num_rows});
  check.operand("given_tokens", args.given_tokens, DType::kI32, {num_rows});
  check.operand("choice_rows", args.choice_rows, DType::kI32, {num_choices});
  check.output("token_ids", args.token_ids, args.given_tokens, args.row_offsets);
  check.output("positions", args.positions, args.row_sequence, args.row_offsets, args.choice_rows);
  if constexpr (kHasCuda) {
    if (stream.is_cuda()) {
      const ProfileRange range("prepare_round");
      return cuda::prepare_round(stream.cuda(), args);
    }
  }
  cpu::prepare_round(stream.cpu(), args);
}

void advance_round(Stream stream, const AdvanceRoundArgs& args) {
  const OpChecks check("advance_round", stream);
  check_state(check, args.state);
  check.rank("slots", args.slots, 1);
  check.rank("choices", args.choices, 1);
  check.rank("next_tokens", args.next_tokens, 1);
  const int64_t num_sequences = args.slots.size(0);
  const int64_t num_choices = args.choices.size(0);
  check.operand("kv_len", args.kv_len, DType::kI32, {num_sequences});
  check.operand("active", args.active, DType::kI32, {num_sequences});
  check.operand("last_rows", args.last_rows, DType::kI32, {num_sequences});
  check.operand("next_tokens", args.next_tokens, DType::kI32, {args.next_tokens.size(0)});
  check.operand("accepted", args.accepted, DType::kI32, {num_sequences});
  check.operand("next_token", args.next_token, DType::kI32, {num_sequences});
  check.operand("emitted", args.emitted, DType::kI32, {num_choices});
  check.operand("choices", args.choices, DType::kI32, {num_choices});
  check.operand("choice_rows", args.choice_rows, DType::kI32, {num_choices});
  check.operand("first_choice", args.first_choice, DType::kI32, {num_sequences});
  check.operand("num_drafts", args.num_drafts, DType::kI32, {num_sequences});
  check.operand("new_drafts", args.new_drafts, DType::kI32, {num_sequences});
  check.operand("query_starts", args.query_starts, DType::kI32, {num_sequences + 1});
  check.operand("query_lens", args.query_lens, DType::kI32, {num_sequences});
  check.operand("kv_lens", args.kv_lens, DType::kI32, {num_sequences});
  check.operand("slots", args.slots, DType::kI32, {num_sequences});
  check.output("kv_len", args.kv_len, args.kv_lens, args.query_lens, args.num_drafts);
  check.output("next_tokens", args.next_tokens, args.emitted, args.choices, args.choice_rows);
  if constexpr (kHasCuda) {
    if (stream.is_cuda()) {
      const ProfileRange range("advance_round");
      return cuda::advance_round(stream.cuda(), args);
    }
  }
  cpu::advance_round(stream.cpu(), args);
}

void finish_round(Stream stream, const FinishRoundArgs& args) {
  const OpChecks check("finish_round", stream);
  check_state(check, args.state);
  check.rank("ring", args.ring, 3);
  check.rank("drafts", args.drafts, 2);
  check.rank("slots", args.slots, 1);
  check.rank("emitted", args.emitted, 1);
  const int64_t num_sequences = args.slots.size(0);
  const int64_t max_drafts = args.state.drafts.size(1);
  check.operand(
      "ring", args.ring, DType::kI32,
      {kRingEntries, args.ring.size(1), ring_row_words(static_cast<int32_t>(max_drafts))});
  check.operand("headers", args.headers, DType::kI64, {kRingEntries, kRingHeaderWords});
  check.operand("counter", args.counter, DType::kI64, {1});
  check.operand("times", args.times, DType::kI64, {kRoundTimes - 1});
  check.strided("drafts", args.drafts, DType::kI32, {num_sequences, args.drafts.size(1)});
  check.operand("active", args.active, DType::kI32, {num_sequences});
  check.operand("new_drafts", args.new_drafts, DType::kI32, {num_sequences});
  check.operand("accepted", args.accepted, DType::kI32, {num_sequences});
  check.operand("emitted", args.emitted, DType::kI32, {args.emitted.size(0)});
  check.operand("first_choice", args.first_choice, DType::kI32, {num_sequences});
  check.operand("kv_len", args.kv_len, DType::kI32, {num_sequences});
  check.operand("slots", args.slots, DType::kI32, {num_sequences});
  TALON_CHECK(args.ring.size(1) >= num_sequences && args.drafts.size(1) <= max_drafts,
              "finish_round: {} sequences and {} drafts, a ring of {} and {}", num_sequences,
              args.drafts.size(1), args.ring.size(1), max_drafts);
  if constexpr (kHasCuda) {
    if (stream.is_cuda()) {
      const ProfileRange range("finish_round");
      return cuda::finish_round(stream.cuda(), args);
    }
  }
  cpu::finish_round(stream.cpu(), args);
}

}  // namespace talon::ops
