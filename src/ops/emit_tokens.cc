#include "ops/emit_tokens.h"

#include "core/backend.h"
#include "core/dtype.h"
#include "core/profile_range.h"
#include "core/stream.h"
#include "ops/op_checks.h"

namespace talon::ops {

void emit_tokens(Stream stream, const EmitTokensArgs& args) {
  const OpChecks check("emit_tokens", stream);
  check.rank("emitted", args.emitted, 1);
  check.rank("first_choice", args.first_choice, 1);
  check.rank("drafts", args.drafts, 2);
  const int64_t num_sequences = args.first_choice.size(0);
  check.operand("emitted", args.emitted, DType::kI32, {args.emitted.size(0)});
  check.operand("accepted", args.accepted, DType::kI32, {num_sequences});
  check.operand("next_token", args.next_token, DType::kI32, {num_sequences});
  check.operand("first_choice", args.first_choice, DType::kI32, {num_sequences});
  check.strided("drafts", args.drafts, DType::kI32, {num_sequences, args.drafts.size(1)});
  check.operand("num_drafts", args.num_drafts, DType::kI32, {num_sequences});
  check.output("emitted", args.emitted, args.accepted, args.next_token, args.first_choice,
               args.drafts, args.num_drafts);
  if constexpr (kHasCuda) {
    if (stream.is_cuda()) {
      const ProfileRange range("emit_tokens");
      return cuda::emit_tokens(stream.cuda(), args);
    }
  }
  cpu::emit_tokens(stream.cpu(), args);
}

}  // namespace talon::ops
