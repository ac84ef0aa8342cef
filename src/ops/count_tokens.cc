#include "ops/count_tokens.h"

#include "core/backend.h"
#include "core/dtype.h"
#include "core/profile_range.h"
#include "core/stream.h"
#include "ops/op_checks.h"

namespace talon::ops {

void count_tokens(Stream stream, const CountTokensArgs& args) {
  const OpChecks check("count_tokens", stream);
  check.rank("counts", args.counts, 2);
  check.rank("tokens", args.tokens, 1);
  const int64_t num_slots = args.counts.size(0);
  const int64_t num_tokens = args.tokens.size(0);
  check.operand("counts", args.counts, DType::kI32, {num_slots, args.counts.size(1)});
  check.operand("flags", args.flags, DType::kI32, {num_slots});
  check.operand("tokens", args.tokens, DType::kI32, {num_tokens});
  check.operand("slots", args.slots, DType::kI32, {num_tokens});
  check.output("counts", args.counts, args.flags, args.tokens, args.slots);
  if constexpr (kHasCuda) {
    if (stream.is_cuda()) {
      const ProfileRange range("count_tokens");
      return cuda::count_tokens(stream.cuda(), args);
    }
  }
  cpu::count_tokens(stream.cpu(), args);
}

}  // namespace talon::ops
