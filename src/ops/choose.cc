#include "ops/choose.h"

#include "base/checked_int.h"
#include "core/backend.h"
#include "core/dtype.h"
#include "core/profile_range.h"
#include "core/stream.h"
#include "ops/op_checks.h"

namespace talon::ops {
namespace {

void check_slots(const OpChecks& check, const SlotSampling& slots, int64_t vocabulary) {
  check.rank("flags", slots.flags, 1);
  check.rank("end_ids", slots.end_ids, 2);
  check.rank("bias_ids", slots.bias_ids, 2);
  const int64_t num_slots = slots.flags.size(0);
  const int64_t num_biases = slots.bias_ids.size(1);
  check.operand("flags", slots.flags, DType::kI32, {num_slots});
  check.operand("seed", slots.seed, DType::kI64, {num_slots});
  check.operand("temperature", slots.temperature, DType::kF32, {num_slots});
  check.operand("top_k", slots.top_k, DType::kI32, {num_slots});
  check.operand("top_p", slots.top_p, DType::kF32, {num_slots});
  check.operand("min_p", slots.min_p, DType::kF32, {num_slots});
  check.operand("repetition", slots.repetition, DType::kF32, {num_slots});
  check.operand("presence", slots.presence, DType::kF32, {num_slots});
  check.operand("frequency", slots.frequency, DType::kF32, {num_slots});
  check.operand("min_end_index", slots.min_end_index, DType::kI32, {num_slots});
  check.operand("end_ids", slots.end_ids, DType::kI32, {num_slots, slots.end_ids.size(1)});
  check.operand("masks of slots", slots.masks, DType::kI32, {num_slots, ceil_div(vocabulary, 32)});
  check.operand("bias_ids", slots.bias_ids, DType::kI32, {num_slots, num_biases});
  check.operand("bias_values", slots.bias_values, DType::kF32, {num_slots, num_biases});
  check.operand("counts", slots.counts, DType::kI32, {num_slots, vocabulary});
}

void check_rows(const OpChecks& check, const ChoiceRows& rows, int64_t vocabulary) {
  const int64_t num_choices = rows.slots.size(0);
  check.operand("slots", rows.slots, DType::kI32, {num_choices});
  check.operand("logit_rows", rows.logit_rows, DType::kI32, {num_choices});
  check.operand("indices", rows.indices, DType::kI32, {num_choices});
  check.operand("num_before", rows.num_before, DType::kI32, {num_choices});
  check.operand("token_rows", rows.token_rows, DType::kI32, {num_choices});
  check.rank("tokens", rows.tokens, 1);
  check.operand("tokens", rows.tokens, DType::kI32, {rows.tokens.size(0)});
  if (!rows.mask_rows.empty()) {
    check.operand("mask_rows", rows.mask_rows, DType::kI32, {num_choices});
    check.rank("masks", rows.masks, 2);
    check.operand("masks", rows.masks, DType::kI32, {rows.masks.size(0), ceil_div(vocabulary, 32)});
  }
}

}  // namespace

int64_t choose_scratch_bytes(int64_t vocabulary) {
  // The processed logits, the ids that are left, and a bit for each id.
  return round_up(8 * vocabulary + 4 * vocabulary + 4 * ceil_div(vocabulary, 32), 8);
}

void choose(Stream stream, const ChooseArgs& args) {
  const OpChecks check("choose", stream);
  check.rank("logits", args.logits, 2);
  check.rank("slots", args.rows.slots, 1);
  check.rank("scratch", args.scratch, 2);
  const int64_t num_choices = args.rows.slots.size(0);
  const int64_t vocabulary = args.logits.size(1);
  check.operand("choices", args.choices, DType::kI32, {num_choices});
  check.strided("logits", args.logits, DType::kF32, {args.logits.size(0), vocabulary});
  check.operand("allowed", args.allowed, DType::kU8, {vocabulary});
  check.operand("keys", args.keys, DType::kU64, {num_choices});
  check.operand("scratch", args.scratch, DType::kU8,
                {args.scratch.size(0), choose_scratch_bytes(vocabulary)});
  TALON_CHECK(args.scratch.size(0) >= 1, "choose: no scratch");
  if (!args.probabilities.empty()) {
    check.operand("probabilities", args.probabilities, DType::kF32, {num_choices, vocabulary});
    check.output("probabilities", args.probabilities, args.logits, args.choices, args.scratch);
  }
  check_rows(check, args.rows, vocabulary);
  check_slots(check, args.slots, vocabulary);
  check.output("choices", args.choices, args.logits, args.rows.slots, args.rows.logit_rows,
               args.rows.indices, args.rows.tokens, args.keys, args.scratch);
  check.output("scratch", args.scratch, args.logits, args.slots.counts, args.keys);
  if constexpr (kHasCuda) {
    if (stream.is_cuda()) {
      const ProfileRange range("choose");
      return cuda::choose(stream.cuda(), args);
    }
  }
  cpu::choose(stream.cpu(), args);
}

}  // namespace talon::ops
