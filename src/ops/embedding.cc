#include "ops/embedding.h"

#include "core/backend.h"
#include "core/dtype.h"
#include "core/profile_range.h"
#include "core/stream.h"
#include "ops/op_checks.h"

namespace talon::ops {

void embedding(Stream stream, const EmbeddingArgs& args) {
  const OpChecks check("embedding", stream);
  check.rank("ids", args.ids, 1);
  check.rank("table", args.table, 2);
  check.activation_dtype("out", args.out);
  const int64_t num_rows = args.ids.size(0);
  const int64_t hidden = args.table.size(1);
  check.strided("out", args.out, args.out.dtype(), {num_rows, hidden});
  check.operand("ids", args.ids, DType::kI32, {num_rows});
  check.operand("table", args.table, DType::kBf16, {args.table.size(0), hidden});
  check.disjoint("out", args.out, "table", args.table);
  check.disjoint("out", args.out, "ids", args.ids);
  if constexpr (kHasCuda) {
    if (stream.is_cuda()) {
      const ProfileRange range("embedding");
      return cuda::embedding(stream.cuda(), args);
    }
  }
  cpu::embedding(stream.cpu(), args);
}

}  // namespace talon::ops
