// Chooses a token for each row of logits as the settings of its slot ask (spec/serving.md 2.3).
// Logits are only read. In this order, each step on what the one before left:
//
//   masks         ids without a token, then the row's constraint, then end ids while the index is
//                 below the slot's min_end_index, then the slot's own mask. A mask that would leave
//                 no id at all is passed over.
//   bias          added to the logit
//   penalties     ids of prompt and generated tokens: a positive logit is divided by `repetition`,
//                 another one multiplied; then frequency * count and, if the count is not 0,
//                 presence are subtracted, count being over generated tokens. The drafts before a
//                 row in its verify are generated tokens to it.
//   temperature   divides; 0: the largest logit wins and what follows is left out
//   top_k         the k largest, ties lower id first
//   top_p         the fewest by falling probability, ties lower id first, that hold this mass
//   min_p         drops a probability below min_p times the largest
//   draw          the largest logit / temperature + Gumbel noise (ops/token_noise.h, kToken)
//
// Arithmetic is in double. Equal values: the lowest id. NaN counts as minus infinity, which no draw
// takes; a row that holds nothing else gives the lowest id that the masks leave, and -1 if no id
// has a token. A greedy row without further settings costs what ops::argmax does.
#pragma once

#include <cstdint>

#include "core/stream.h"
#include "core/tensor_view.h"

namespace talon::ops {

// What a slot asks for besides temperature, top_k, top_p and min_p. Arrays of features that are off
// are not read.
enum SlotFlag : int32_t {
  kSlotHoldsEnds = 1,  // end_ids, min_end_index
  kSlotMasks = 2,      // masks
  kSlotBiases = 4,     // bias_ids, bias_values
  kSlotPenalises = 8,  // repetition, presence, frequency, counts
};

// The settings by slot. Bit rows have W = ceil(V / 32) words; id i is bit i % 32 of word i / 32.
struct SlotSampling {
  ConstTensorView flags;          // [S] i32, of SlotFlag
  ConstTensorView seed;           // [S] i64
  ConstTensorView temperature;    // [S] f32
  ConstTensorView top_k;          // [S] i32, 0 or less: all
  ConstTensorView top_p;          // [S] f32, 1: all
  ConstTensorView min_p;          // [S] f32, 0: all
  ConstTensorView repetition;     // [S] f32
  ConstTensorView presence;       // [S] f32
  ConstTensorView frequency;      // [S] f32
  ConstTensorView min_end_index;  // [S] i32
  ConstTensorView end_ids;        // [S, E] i32, up to the first -1
  ConstTensorView masks;          // [S, W] i32 bit rows, 1: may be chosen
  ConstTensorView bias_ids;       // [S, N] i32, each id once, up to the first -1
  ConstTensorView bias_values;    // [S, N] f32
  ConstTensorView counts;         // [S, V] i32: 2 * (times generated) + (1 if in the prompt)
};

// Where each choice stands. A choice with slot -1 is dead: it gives -1.
struct ChoiceRows {
  ConstTensorView slots;        // [N] i32
  ConstTensorView logit_rows;   // [N] i32: its row of `logits`
  ConstTensorView indices;      // [N] i32: absolute index of the token being chosen
  ConstTensorView num_before;   // [N] i32: drafts before it in its verify
  ConstTensorView token_rows;   // [N] i32: its row of `tokens`, which ends with those drafts
  ConstTensorView tokens;       // [T] i32: the step's token of each row
  ConstTensorView mask_rows{};  // [N] i32: the row's constraint in `masks`, -1: none
  ConstTensorView masks{};      // [M, W] i32 bit rows; both empty: no constraint at all
};

struct ChooseArgs {
  TensorView choices;          // [N] i32
  TensorView probabilities{};  // [N, V] f32: the law of each draw; rows of temperature 0 and dead
                               //   ones are not written. Empty: not wanted.
  ConstTensorView logits;      // [R, V] f32; rows may be strided
  ConstTensorView allowed;     // [V] u8: 1, the id has a token
  ChoiceRows rows;
  SlotSampling slots;
  TensorView keys;     // [N] u64, scratch
  TensorView scratch;  // [L, choose_scratch_bytes(V)] u8: L >= 1 rows are worked on at a time;
                       //   L changes no result. Aligned to 8.
};
void choose(Stream stream, const ChooseArgs& args);

int64_t choose_scratch_bytes(int64_t vocabulary);

namespace cpu {

void choose(CpuContext& context, const ChooseArgs& args);

}  // namespace cpu

namespace cuda {

void choose(CudaContext& context, const ChooseArgs& args);

}  // namespace cuda

}  // namespace talon::ops
