#include "ops/token_logprobs.h"

#include "core/backend.h"
#include "core/dtype.h"
#include "core/profile_range.h"
#include "core/stream.h"
#include "ops/op_checks.h"

namespace talon::ops {

void token_logprobs(Stream stream, const TokenLogprobsArgs& args) {
  const OpChecks check("token_logprobs", stream);
  check.rank("logits", args.logits, 2);
  check.rank("rows", args.rows, 1);
  check.rank("top_ids", args.top_ids, 2);
  const int64_t num_entries = args.rows.size(0);
  const int64_t vocabulary = args.logits.size(1);
  const int64_t most = args.top_ids.size(1);
  check.operand("logprobs", args.logprobs, DType::kF32, {num_entries});
  check.operand("top_ids", args.top_ids, DType::kI32, {num_entries, most});
  check.operand("top_logprobs", args.top_logprobs, DType::kF32, {num_entries, most});
  check.strided("logits", args.logits, DType::kF32, {args.logits.size(0), vocabulary});
  check.operand("allowed", args.allowed, DType::kU8, {vocabulary});
  check.operand("rows", args.rows, DType::kI32, {num_entries});
  check.operand("tokens", args.tokens, DType::kI32, {num_entries});
  check.operand("num_top", args.num_top, DType::kI32, {num_entries});
  check.output("logprobs", args.logprobs, args.logits, args.rows, args.tokens, args.num_top,
               args.top_ids, args.top_logprobs);
  check.output("top_ids", args.top_ids, args.logits, args.rows, args.tokens, args.num_top);
  check.output("top_logprobs", args.top_logprobs, args.logits, args.rows, args.tokens, args.num_top,
               args.top_ids);
  if constexpr (kHasCuda) {
    if (stream.is_cuda()) {
      const ProfileRange range("token_logprobs");
      return cuda::token_logprobs(stream.cuda(), args);
    }
  }
  cpu::token_logprobs(stream.cpu(), args);
}

}  // namespace talon::ops
