// An EAGLE-3 head as a drafter (spec/eagle3.md 9.3 and 14.1): one Llama layer over the pair of a
// token and a feature. In `extend` the feature is made from the target's taps, in a chain step it
// is the head's own. Owns its weights, but for an embedding or head that alias the target's. Used
// from its runner's thread only; takes memory from the arena alone.
//
// The carried feature is the layer's output after the final norm if the config says norm_output,
// else before it.
#pragma once

#include <cstdint>
#include <span>

#include "core/buffer.h"
#include "model/eagle3/config.h"
#include "model/eagle3/weights.h"
#include "model/model.h"
#include "spec/drafter.h"

namespace talon {

class Eagle3Drafter final : public Drafter {
 public:
  // `allowed` [V] u8 says which ids of the target may be drafted (1); empty: all.
  Eagle3Drafter(Eagle3Weights weights,
                Eagle3Config config,
                ModelTypes types,
                std::span<const uint8_t> allowed,
                Uploader* uploader = nullptr);

  std::span<const int32_t> taps() const override { return weights_.taps; }
  KvLayout kv_layout() const override;

  // Keys and values are written for every row; what follows the attention's projection is computed
  // for the last rows only, because the head is one layer deep.
  void extend(Stream stream, const ExtendArgs& args, KvStore& kv, Arena& arena) const override;
  void draft(Stream stream, const DraftArgs& args, KvStore& kv, Arena& arena) const override;

  int64_t scratch_bytes(int32_t num_rows, int32_t num_sequences) const override;

  // The most sequences of a step.
  static constexpr int32_t kMaxSequences = 1024;

 private:
  struct Step {
    Stream stream;
    KvStore& kv;
    Arena& arena;
    ConstTensorView page_table;  // [B, P] i32
  };

  // The operands of the layer's first half.
  struct Rows {
    ConstTensorView tokens;       // [T] i32
    ConstTensorView hidden;       // [T, C]
    ConstTensorView positions;    // [T] i32
    ConstTensorView write_slots;  // [T] i64
  };

  // Its results: the operands of the second half, for all or some of the rows.
  struct Queries {
    TensorView q;                  // [T, H, D]
    TensorView residual;           // [T, C]
    ConstTensorView positions;     // [T] i32
    ConstTensorView row_sequence;  // [T] i32
  };

  DType dtype() const { return activation_dtype(types_.activation); }
  int64_t q_columns() const { return int64_t{config_.num_heads} * config_.head_dim; }
  int64_t qkv_columns() const;
  TensorView combine_taps(const Step& step, ConstTensorView taps) const;
  Queries project(const Step& step, const Rows& rows) const;
  Queries take_last(const Step& step, const Queries& all, ConstTensorView last_rows) const;
  void finish(const Step& step, const Queries& queries, TensorView features) const;
  void chain_step(const Step& step, const DraftArgs& args, int32_t index) const;
  void choose(const Step& step, const DraftArgs& args, int32_t number) const;
  void draw(const Step& step, const DraftArgs& args, int32_t number, ConstTensorView logits) const;

  Eagle3Weights weights_;
  Eagle3Config config_;
  ModelTypes types_;
  Buffer inv_freq_;      // [D/2] f32
  Buffer row_sequence_;  // [kMaxSequences] i32: 0, 1, ..
  Buffer allowed_;       // [V_d] u8; no bytes: all are
  Buffer map_;           // [V_d] i32; no bytes: identity
};

}  // namespace talon
