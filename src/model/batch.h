// One step as arrays at fixed addresses on the runner's device: the only batch shape. Prefill
// chunk, decode, verify and draft extension are all `q_len` new rows of a sequence on top of its
// `kv_len` cached positions. Views into the runner's step buffers; valid for the step.
//
// Positions come from the array, never from the row number. A row with position -1 is dead: it is
// written to page 0, routed to no expert and attends to nothing; its outputs are never used.
#pragma once

#include <cstdint>

#include "core/tensor_view.h"

namespace talon {

struct Batch {
  int32_t num_rows = 0;       // T
  int32_t num_sequences = 0;  // B
  int32_t context_limit = 0;  // positions at and past it do not exist

  ConstTensorView token_ids;     // [T] i32
  ConstTensorView positions;     // [T] i32
  ConstTensorView row_sequence;  // [T] i32: the sequence (batch index) of each row
  ConstTensorView query_starts;  // [B + 1] i32: first row of each sequence
  ConstTensorView query_lens;    // [B] i32
  ConstTensorView kv_lens;       // [B] i32: valid positions before the step
  ConstTensorView page_table;    // [B, P] i32, 0 past the last page
  ConstTensorView write_slots;   // [T] i64
  ConstTensorView logit_rows;    // [R] i32: rows that need logits, ascending
};

}  // namespace talon
