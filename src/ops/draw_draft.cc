#include "ops/draw_draft.h"

#include "base/ids.h"
#include "core/backend.h"
#include "core/dtype.h"
#include "core/profile_range.h"
#include "core/stream.h"
#include "ops/op_checks.h"

namespace talon::ops {

void draw_draft(Stream stream, const DrawDraftArgs& args) {
  const OpChecks check("draw_draft", stream);
  check.rank("logits", args.logits, 2);
  check.rank("seeds", args.seeds, 1);
  const int64_t num_sequences = args.logits.size(0);
  const int64_t draft_vocabulary = args.logits.size(1);
  const int64_t num_slots = args.seeds.size(0);
  check.strided("tokens", args.tokens, DType::kI32, {num_sequences, 1});
  check.operand("logits", args.logits, DType::kF32, {num_sequences, draft_vocabulary});
  check.operand("slots", args.slots, DType::kI32, {num_sequences});
  check.operand("active", args.active, DType::kI32, {num_sequences});
  check.operand("kv_len", args.kv_len, DType::kI32, {num_sequences});
  check.operand("seeds", args.seeds, DType::kI64, {num_slots});
  check.operand("temperature", args.temperature, DType::kF32, {num_slots});
  if (!args.allowed.empty()) {
    check.operand("allowed", args.allowed, DType::kU8, {draft_vocabulary});
  }
  if (!args.map.empty()) {
    check.operand("map", args.map, DType::kI32, {draft_vocabulary});
  }
  if (!args.laws.empty()) {
    check.rank("laws", args.laws, 2);
    const int64_t vocabulary = args.map.empty() ? draft_vocabulary : args.laws.size(1);
    check.strided("laws", args.laws, DType::kF32, {num_slots, vocabulary});
    check.output("laws", args.laws, args.logits, args.tokens);
  }
  check.output("tokens", args.tokens, args.logits, args.slots, args.active, args.kv_len);
  TALON_CHECK(args.number >= 0 && args.number < kMaxDrafts, "draw_draft: draft {}", args.number);
  if constexpr (kHasCuda) {
    if (stream.is_cuda()) {
      const ProfileRange range("draw_draft");
      return cuda::draw_draft(stream.cuda(), args);
    }
  }
  cpu::draw_draft(stream.cpu(), args);
}

}  // namespace talon::ops
