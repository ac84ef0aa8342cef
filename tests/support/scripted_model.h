// A target and a drafter that play a script (support/script.h) in the real engine. Their KV is the
// tokens themselves, so that what they say depends on pages, slots and rollbacks like a real
// model's: a sequence that reads a foreign page says something else.
#pragma once

#include <cstdint>
#include <memory>

#include "engine/engine.h"
#include "model/model.h"
#include "spec/drafter.h"
#include "support/script.h"

namespace talon::test {

// Puts one dominating logit on the script's next token, and a smaller one on the end of the turn,
// which is drawn where a mask forbids the token. Where it forbids both, the lowest id that is left
// is drawn: plain characters, as long as they will do.
class ScriptedModel final : public Model {
 public:
  explicit ScriptedModel(std::shared_ptr<const Script> script);

  const ModelLimits& limits() const override { return limits_; }
  ActivationType activation_type() const override { return ActivationType::kF32; }
  KvLayout kv_layout() const override;
  void forward(Stream stream,
               const Batch& batch,
               KvStore& kv,
               Arena& arena,
               const ForwardOutput& out) const override;
  int64_t scratch_bytes(int32_t num_rows, int32_t num_logit_rows) const override;
  // Nothing to share: a check.
  ConstTensorView embedding() const override;
  const Weight& head() const override;

 private:
  std::shared_ptr<const Script> script_;
  ModelLimits limits_;
};

// Drafts the script, but for every third position of an answer, where it is wrong, so that rounds
// accept none, some and all of their drafts.
class ScriptedDrafter final : public Drafter {
 public:
  explicit ScriptedDrafter(std::shared_ptr<const Script> script) : script_(std::move(script)) {}

  std::span<const int32_t> taps() const override;
  KvLayout kv_layout() const override;
  void extend(Stream stream, const ExtendArgs& args, KvStore& kv, Arena& arena) const override;
  void draft(Stream stream, const DraftArgs& args, KvStore& kv, Arena& arena) const override;
  int64_t scratch_bytes(int32_t num_rows, int32_t num_sequences) const override;

 private:
  std::shared_ptr<const Script> script_;
};

// An engine on both, with `num_drafts` drafts a round; 0: without the drafter. The model folder of
// the configuration is not read.
std::unique_ptr<Engine> build_scripted_engine(const text::Tokenizer& tokenizer,
                                              const std::shared_ptr<const Script>& script,
                                              int32_t num_drafts);

}  // namespace talon::test
