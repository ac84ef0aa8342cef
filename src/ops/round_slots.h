// The integers of a round on the device's memory of running sequences, one slot each: what a plan
// changes, the rows of the step, what acceptance makes of them, and what the host gets to read
// (spec/eagle3.md S4). Lengths, tokens and pages never pass through the host on their way from one
// round to the next, so a round can be launched before the last one is read.
//
// patch_slots:   slots that a sequence enters get its length, no drafts and an empty page table;
//   then single entries of page tables are set.
//
// prepare_round: for row t of sequence b = row_sequence[t] in slot s, o = row_offsets[t]:
//     positions[t] = kv_len[s] + o, and -1 if o < 0 (a dead row)
//     token_ids[t] = given_tokens[t]; if that is -1, pending[s] at o = 0 and drafts[s, o - 1] past
//                    it; -1 in a dead row
//   and beside the rows kv_lens, page tables and the drafts to verify of each sequence, and the
//   absolute index of the token that each choice draws: one past its row's position.
//
// advance_round: with a = accepted[b], -1 where nothing was chosen:
//     kv_len = kv_lens[b] + query_lens[b] - (num_drafts[b] - max(a, 0)), also in the slot
//     last_rows[b] = the row of the last valid position, if a >= 0, else -1
//     active[b] = 1 if a >= 0 and drafts are to be made
//     next_tokens of the rows that chose = what was emitted there, or past it their own choice
//   and in the slot the pending token, and no drafts.
//
// finish_round:  stores new drafts in the slots of active sequences and writes the entry
//   `counter % 2` of the ring, one row a sequence: accepted, kv_len, number of drafts held, K of
//   drafts, K + 1 of emitted tokens; -1 where there is none. Its header gets the counter, which
//   then grows by one, and the times of the round, the last being that of this op.
//
// A sequence with slot -1 is padding: its rows are dead, its results -1, and no slot is touched.
#pragma once

#include <cstdint>

#include "core/stream.h"
#include "core/tensor_view.h"

namespace talon::ops {

struct SlotState {
  TensorView kv_len;      // [S] i32: valid positions
  TensorView pending;     // [S] i32: the token at that position
  TensorView num_drafts;  // [S] i32: valid entries of `drafts`
  TensorView drafts;      // [S, K] i32
  TensorView page_table;  // [S, P] i32, 0 past the last page
};

struct PatchSlotsArgs {
  SlotState state;
  ConstTensorView joins;  // [J, 2] i32: slot, kv_len; each slot once
  ConstTensorView pages;  // [N, 3] i32: slot, index, page; each place once
};
void patch_slots(Stream stream, const PatchSlotsArgs& args);

struct PrepareRoundArgs {
  TensorView token_ids;          // [T] i32
  TensorView positions;          // [T] i32
  TensorView kv_lens;            // [B] i32
  TensorView page_table;         // [B, P] i32
  TensorView drafts;             // [B, K] i32; places past num_drafts: not written
  TensorView choice_indices;     // [N] i32; -1 of a dead row
  ConstTensorView slots;         // [B] i32
  ConstTensorView num_drafts;    // [B] i32, at most what the slot holds
  ConstTensorView row_sequence;  // [T] i32
  ConstTensorView row_offsets;   // [T] i32
  ConstTensorView given_tokens;  // [T] i32
  ConstTensorView choice_rows;   // [N] i32
  SlotState state;
};
void prepare_round(Stream stream, const PrepareRoundArgs& args);

struct AdvanceRoundArgs {
  TensorView kv_len;             // [B] i32
  TensorView active;             // [B] i32
  TensorView last_rows;          // [B] i32
  TensorView next_tokens;        // [T] i32, in and out
  ConstTensorView accepted;      // [B] i32
  ConstTensorView next_token;    // [B] i32
  ConstTensorView emitted;       // [N] i32
  ConstTensorView choices;       // [N] i32
  ConstTensorView choice_rows;   // [N] i32
  ConstTensorView first_choice;  // [B] i32
  ConstTensorView num_drafts;    // [B] i32
  ConstTensorView new_drafts;    // [B] i32: how many are to be made
  ConstTensorView query_starts;  // [B + 1] i32
  ConstTensorView query_lens;    // [B] i32
  ConstTensorView kv_lens;       // [B] i32: before the step
  ConstTensorView slots;         // [B] i32
  SlotState state;
};
void advance_round(Stream stream, const AdvanceRoundArgs& args);

// Words of a row of the ring, and where they stand.
inline constexpr int32_t kRingAccepted = 0;
inline constexpr int32_t kRingKvLen = 1;
inline constexpr int32_t kRingNumDrafts = 2;
inline constexpr int32_t kRingDrafts = 3;
constexpr int32_t ring_emitted(int32_t max_drafts) { return kRingDrafts + max_drafts; }
constexpr int32_t ring_row_words(int32_t max_drafts) {
  return ring_emitted(max_drafts) + max_drafts + 1;
}

inline constexpr int32_t kRingEntries = 2;
inline constexpr int32_t kRoundTimes = 4;  // start, verified, extended, end
inline constexpr int32_t kRingHeaderWords = 1 + kRoundTimes;

struct FinishRoundArgs {
  TensorView ring;               // [2, B', ring_row_words(K)] i32, B' >= B
  TensorView headers;            // [2, kRingHeaderWords] i64: counter, times in ns
  TensorView counter;            // [1] i64, in and out
  ConstTensorView times;         // [kRoundTimes - 1] i64
  ConstTensorView drafts;        // [B, K'] i32, K' <= K, new ones; may have no columns
  ConstTensorView active;        // [B] i32
  ConstTensorView new_drafts;    // [B] i32, <= K' where active
  ConstTensorView accepted;      // [B] i32
  ConstTensorView emitted;       // [N] i32
  ConstTensorView first_choice;  // [B] i32
  ConstTensorView kv_len;        // [B] i32
  ConstTensorView slots;         // [B] i32
  SlotState state;
};
void finish_round(Stream stream, const FinishRoundArgs& args);

namespace cpu {

void patch_slots(CpuContext& context, const PatchSlotsArgs& args);
void prepare_round(CpuContext& context, const PrepareRoundArgs& args);
void advance_round(CpuContext& context, const AdvanceRoundArgs& args);
void finish_round(CpuContext& context, const FinishRoundArgs& args);

}  // namespace cpu

namespace cuda {

void patch_slots(CudaContext& context, const PatchSlotsArgs& args);
void prepare_round(CudaContext& context, const PrepareRoundArgs& args);
void advance_round(CudaContext& context, const AdvanceRoundArgs& args);
void finish_round(CudaContext& context, const FinishRoundArgs& args);

}  // namespace cuda

}  // namespace talon::ops
