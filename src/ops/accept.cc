#include "ops/accept.h"

#include "core/backend.h"
#include "core/dtype.h"
#include "core/profile_range.h"
#include "core/stream.h"
#include "ops/op_checks.h"

namespace talon::ops {

void accept(Stream stream, const AcceptArgs& args) {
  const OpChecks check("accept", stream);
  check.rank("choices", args.choices, 1);
  check.rank("first_choice", args.first_choice, 1);
  check.rank("drafts", args.drafts, 2);
  const int64_t num_sequences = args.first_choice.size(0);
  check.operand("accepted", args.accepted, DType::kI32, {num_sequences});
  check.operand("next_token", args.next_token, DType::kI32, {num_sequences});
  check.operand("choices", args.choices, DType::kI32, {args.choices.size(0)});
  check.operand("first_choice", args.first_choice, DType::kI32, {num_sequences});
  check.strided("drafts", args.drafts, DType::kI32, {num_sequences, args.drafts.size(1)});
  check.operand("num_drafts", args.num_drafts, DType::kI32, {num_sequences});
  check.disjoint("accepted", args.accepted, "next_token", args.next_token);
  check.output("accepted", args.accepted, args.choices, args.first_choice, args.drafts,
               args.num_drafts);
  check.output("next_token", args.next_token, args.choices, args.first_choice, args.drafts,
               args.num_drafts);
  if constexpr (kHasCuda) {
    if (stream.is_cuda()) {
      const ProfileRange range("accept");
      return cuda::accept(stream.cuda(), args);
    }
  }
  cpu::accept(stream.cpu(), args);
}

}  // namespace talon::ops
