#include "ops/verify_block.h"

#include "core/backend.h"
#include "core/dtype.h"
#include "core/profile_range.h"
#include "core/stream.h"
#include "ops/op_checks.h"

namespace talon::ops {

void verify_block(Stream stream, const VerifyBlockArgs& args) {
  const OpChecks check("verify_block", stream);
  check.rank("target_laws", args.target_laws, 2);
  check.rank("draft_laws", args.draft_laws, 3);
  check.rank("first_choice", args.first_choice, 1);
  check.rank("drafts", args.drafts, 2);
  check.rank("seeds", args.seeds, 1);
  const int64_t num_sequences = args.first_choice.size(0);
  const int64_t num_choices = args.target_laws.size(0);
  const int64_t vocabulary = args.target_laws.size(1);
  const int64_t num_slots = args.seeds.size(0);
  const int64_t max_drafts = args.drafts.size(1);
  check.operand("accepted", args.accepted, DType::kI32, {num_sequences});
  check.operand("next_token", args.next_token, DType::kI32, {num_sequences});
  check.operand("target_laws", args.target_laws, DType::kF32, {num_choices, vocabulary});
  check.operand("draft_laws", args.draft_laws, DType::kF32,
                {num_slots, args.draft_laws.size(1), vocabulary});
  check.operand("choices", args.choices, DType::kI32, {num_choices});
  check.operand("first_choice", args.first_choice, DType::kI32, {num_sequences});
  check.operand("indices", args.indices, DType::kI32, {num_choices});
  check.strided("drafts", args.drafts, DType::kI32, {num_sequences, max_drafts});
  check.operand("num_drafts", args.num_drafts, DType::kI32, {num_sequences});
  check.operand("slots", args.slots, DType::kI32, {num_sequences});
  check.operand("seeds", args.seeds, DType::kI64, {num_slots});
  check.operand("temperature", args.temperature, DType::kF32, {num_slots});
  TALON_CHECK(args.draft_laws.size(1) >= max_drafts && max_drafts <= kMaxDrafts,
              "verify_block: {} drafts, laws of {}", max_drafts, args.draft_laws.size(1));
  check.output("accepted", args.accepted, args.next_token, args.choices, args.first_choice,
               args.indices, args.drafts, args.num_drafts, args.slots);
  check.output("next_token", args.next_token, args.choices, args.first_choice, args.indices,
               args.drafts, args.num_drafts, args.slots);
  if constexpr (kHasCuda) {
    if (stream.is_cuda()) {
      const ProfileRange range("verify_block");
      return cuda::verify_block(stream.cuda(), args);
    }
  }
  cpu::verify_block(stream.cpu(), args);
}

}  // namespace talon::ops
