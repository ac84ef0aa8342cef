#include "ops/force_accept.h"

#include "core/backend.h"
#include "core/dtype.h"
#include "core/profile_range.h"
#include "core/stream.h"
#include "ops/op_checks.h"

namespace talon::ops {

void force_accept(Stream stream, const ForceAcceptArgs& args) {
  const OpChecks check("force_accept", stream);
  check.rank("choices", args.choices, 1);
  check.rank("first_choice", args.first_choice, 1);
  check.rank("seeds", args.seeds, 1);
  const int64_t num_sequences = args.first_choice.size(0);
  const int64_t num_choices = args.choices.size(0);
  check.operand("accepted", args.accepted, DType::kI32, {num_sequences});
  check.operand("next_token", args.next_token, DType::kI32, {num_sequences});
  check.operand("choices", args.choices, DType::kI32, {num_choices});
  check.operand("first_choice", args.first_choice, DType::kI32, {num_sequences});
  check.operand("num_drafts", args.num_drafts, DType::kI32, {num_sequences});
  check.operand("slots", args.slots, DType::kI32, {num_sequences});
  check.operand("seeds", args.seeds, DType::kI64, {args.seeds.size(0)});
  check.operand("indices", args.indices, DType::kI32, {num_choices});
  check.output("accepted", args.accepted, args.next_token, args.choices, args.first_choice,
               args.num_drafts, args.slots, args.indices);
  check.output("next_token", args.next_token, args.choices, args.first_choice, args.num_drafts,
               args.slots, args.indices);
  TALON_CHECK(args.extra >= 0.0, "force_accept: {} drafts a round", args.extra);
  if constexpr (kHasCuda) {
    if (stream.is_cuda()) {
      const ProfileRange range("force_accept");
      return cuda::force_accept(stream.cuda(), args);
    }
  }
  cpu::force_accept(stream.cpu(), args);
}

}  // namespace talon::ops
