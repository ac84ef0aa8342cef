#include "ops/key_tokens.h"

#include "core/backend.h"
#include "core/profile_range.h"
#include "ops/op_checks.h"

namespace talon::ops {

void key_tokens(Stream stream, const KeyTokensArgs& args) {
  const OpChecks check("key_tokens", stream);
  check.rank("keys", args.keys, 1);
  const int64_t num_rows = args.keys.size(0);
  check.operand("keys", args.keys, DType::kU64, {num_rows});
  check.strided("tokens", args.tokens, DType::kI32, {num_rows, 1});
  check.disjoint("tokens", args.tokens, "keys", args.keys);
  if (!args.map.empty()) {
    check.rank("map", args.map, 1);
    check.operand("map", args.map, DType::kI32, args.map.shape());
    check.disjoint("tokens", args.tokens, "map", args.map);
  }
  if constexpr (kHasCuda) {
    if (stream.is_cuda()) {
      const ProfileRange range("key_tokens");
      return cuda::key_tokens(stream.cuda(), args);
    }
  }
  cpu::key_tokens(stream.cpu(), args);
}

}  // namespace talon::ops
