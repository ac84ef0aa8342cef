// The MiniMax-M3 text model on one rank: the forward pass of a step over paged KV, as
// spec/minimax_m3.md 2 and 3 define it. Owns its weights. Used from its runner's thread only; a
// forward pass takes memory from the arena alone and changes nothing but the KV and its outputs.
//
// Layer l has the planes key and value, and index key where it is sparse; KV has the activation
// type or is e4m3.
#pragma once

#include <cstdint>
#include <span>

#include "core/buffer.h"
#include "model/minimax_m3/config.h"
#include "model/minimax_m3/weights.h"
#include "model/model.h"

namespace talon {

class M3Model final : public Model {
 public:
  // With the uploader that brought the weights to their device, if there was one.
  M3Model(M3Weights weights, M3Config config, ModelTypes types, Uploader* uploader = nullptr);

  const ModelLimits& limits() const override { return limits_; }
  ActivationType activation_type() const override { return types_.activation; }
  KvLayout kv_layout() const override;

  void forward(Stream stream,
               const Batch& batch,
               KvStore& kv,
               Arena& arena,
               const ForwardOutput& out) const override;

  int64_t scratch_bytes(int32_t num_rows, int32_t num_logit_rows) const override;

  ConstTensorView embedding() const override { return weights_.embedding; }
  const Weight& head() const override { return weights_.head.weight(); }

 private:
  // What the layers of one step share.
  struct Step {
    Stream stream;
    const Batch& batch;
    KvStore& kv;
    Arena& arena;
    ConstTensorView cos_sin;  // [T, 2, R/2] f32
  };

  // One layer's operand and result.
  struct Rows {
    ConstTensorView in;  // [T, C] normed
    TensorView out;      // [T, C] what is added to the residual stream
  };

  DType dtype() const { return activation_dtype(types_.activation); }
  int64_t qkv_columns(bool is_sparse) const;
  ConstTensorView rope_table(const Step& step) const;
  void attention(const Step& step, int32_t layer, const Rows& rows) const;
  ConstTensorView select_blocks(const Step& step, int32_t layer, ConstTensorView index_q) const;
  void mlp(const Step& step, int32_t layer, const Rows& rows) const;
  void moe(const Step& step, int32_t layer, const Rows& rows) const;
  // `last` is the residual stream before the last layer's MLP, and what that adds to it.
  void logits(const Step& step, const Rows& last, TensorView out) const;

  M3Weights weights_;
  M3Config config_;
  ModelTypes types_;
  ModelLimits limits_;
  Buffer inv_freq_;  // [R/2] f32
};

}  // namespace talon
