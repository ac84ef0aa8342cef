// From a step's raw logits to its tokens: a choice for every row that chooses, which drafts stand,
// the tokens emitted, and the logprobs asked for. The rules of drawing are ops::choose's with the
// settings of SamplerState; a draft stands if it is the target's own choice, which keeps the law of
// what is emitted whatever the drafts are (spec/eagle3.md 10.2). With `acceptance_length` drafts
// stand by decree instead; drafts drawn with noise of their own are verified as a block.
//
// `verify` takes no memory and leaves results in arrays that the next one overwrites. Owned by a
// runner's Round, used from its thread.
#pragma once

#include <cstdint>
#include <vector>

#include "base/ids.h"
#include "core/arena.h"
#include "core/buffer.h"
#include "core/stream.h"
#include "core/tensor_view.h"
#include "engine/batch_builder.h"
#include "engine/result_ring.h"
#include "engine/sampler_state.h"
#include "engine/sampling.h"
#include "engine/step_plan.h"
#include "spec/drafter.h"

namespace talon {

struct VerifierOptions {
  double acceptance_length = 0.0;  // forced acceptance: tokens a round, at least 1; 0: off
  DraftDraws draws = DraftDraws::kGreedy;
};

class Verifier {
 public:
  // Both must outlive the verifier. `allowed` [V] u8: 1, the id has a token.
  Verifier(const StepSizes& sizes,
           ConstTensorView allowed,
           SamplerState& sampler,
           const VerifierOptions& options = {});

  // `logits` [R, V] f32 of arrays.batch.logit_rows, only read. Of the plan only the constraints
  // are looked at; log-probabilities that it asks for go to `logprobs`.
  void verify(Stream stream,
              const StepPlan& plan,
              const StepArrays& arrays,
              ConstTensorView logits,
              const StepLogprobs& logprobs);

  // For DraftArgs of the sequences in `slots` [B] i32. Laws written so are those of the drafts that
  // the next step with the slot verifies.
  DraftSampling draft_sampling(ConstTensorView slots) const;

  // Of the last step, N choices and B sequences. `emitted` holds a sequence's new token j at its
  // choice j, and -1 at the choices of rejected rows; `accepted` is -1 where nothing was chosen.
  TensorView choices() const { return choices_.rows(0, num_choices_); }          // [N] i32
  TensorView emitted() const { return emitted_.rows(0, num_choices_); }          // [N] i32
  TensorView accepted() const { return accepted_.rows(0, num_sequences_); }      // [B] i32
  TensorView next_token() const { return next_token_.rows(0, num_sequences_); }  // [B] i32

 private:
  void choose(Stream stream,
              const StepPlan& plan,
              const StepArrays& arrays,
              ConstTensorView logits);
  bool write_masks(Stream stream, const StepPlan& plan);
  void accept(Stream stream, const StepArrays& arrays);
  void verify_block(Stream stream, const StepArrays& arrays);
  void find_logprobs(Stream stream,
                     const StepArrays& arrays,
                     ConstTensorView logits,
                     const StepLogprobs& logprobs) const;

  StepSizes sizes_;
  ConstTensorView allowed_;
  SamplerState& sampler_;
  VerifierOptions options_;
  int64_t vocab_size_;
  Arena arena_;            // of the arrays that follow
  TensorView choices_;     // [N] i32
  TensorView emitted_;     // [N] i32
  TensorView keys_;        // [N] u64
  TensorView mask_rows_;   // [N] i32
  TensorView masks_;       // [N, W] i32
  TensorView accepted_;    // [B] i32
  TensorView next_token_;  // [B] i32
  TensorView scratch_;     // [L, ..] u8
  std::vector<int32_t> host_mask_rows_;
  Buffer target_laws_;  // [N, V] f32, for kOwn
  Buffer draft_laws_;   // [S, K, V] f32, for kOwn
  int32_t num_choices_ = 0;
  int32_t num_sequences_ = 0;
};

}  // namespace talon
