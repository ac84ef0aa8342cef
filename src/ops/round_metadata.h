// Integers of a step, computed where the lengths live, so that a captured round needs no host
// value (spec/eagle3.md S1, S4).
//
// write_slots:  slot[t] = page_table[b, p / 128] * 128 + p % 128 with b = row_sequence[t] and
//   p = positions[t]; slot p % 128 of page 0 if p >= context_limit, p / 128 >= P or the page is
//   missing (id 0); slot 0 if p < 0, whatever row_sequence says. Page 0 is the null page: never
//   allocated, never read.
//
// draft_step:   for chain step i >= 1 of sequence b with kv_len valid positions (already advanced
//   by the accepted drafts, never the optimistic length): position = kv_len + i - 1; a sequence
//   that does not draft (active 0), or whose position is at or past the limit, gets -1 and slot 0.
#pragma once

#include "core/stream.h"
#include "core/tensor_view.h"

namespace talon::ops {

struct WriteSlotsArgs {
  TensorView slots;              // [T] i64
  ConstTensorView positions;     // [T] i32
  ConstTensorView row_sequence;  // [T] i32
  ConstTensorView page_table;    // [B, P] i32
  int32_t context_limit;         // positions at and past it do not exist
};
void write_slots(Stream stream, const WriteSlotsArgs& args);

struct DraftStepArgs {
  TensorView positions;        // [B] i32
  TensorView slots;            // [B] i64
  ConstTensorView kv_len;      // [B] i32
  ConstTensorView active;      // [B] i32, 0 or 1
  ConstTensorView page_table;  // [B, P] i32
  int32_t step;                // i >= 1
  int32_t context_limit;
};
void draft_step(Stream stream, const DraftStepArgs& args);

namespace cpu {

void write_slots(CpuContext& context, const WriteSlotsArgs& args);
void draft_step(CpuContext& context, const DraftStepArgs& args);

}  // namespace cpu

namespace cuda {

void write_slots(CudaContext& context, const WriteSlotsArgs& args);
void draft_step(CudaContext& context, const DraftStepArgs& args);

}  // namespace cuda

}  // namespace talon::ops
