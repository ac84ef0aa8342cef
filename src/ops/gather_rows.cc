#include "ops/gather_rows.h"

#include "core/backend.h"
#include "core/dtype.h"
#include "core/profile_range.h"
#include "core/stream.h"
#include "ops/op_checks.h"

namespace talon::ops {

void gather_rows(Stream stream, const GatherRowsArgs& args) {
  const OpChecks check("gather_rows", stream);
  check.rank("x", args.x, 2);
  const bool is_copy = args.rows.rank() == 0 && args.rows.empty();
  if (!is_copy) {
    check.rank("rows", args.rows, 1);
  }
  const int64_t num_rows = is_copy ? args.x.size(0) : args.rows.size(0);
  const bool rounds = args.x.dtype() == DType::kF32 && args.out.dtype() == DType::kBf16;
  const DType out_dtype = rounds ? DType::kBf16 : args.x.dtype();
  check.strided("out", args.out, out_dtype, {num_rows, args.x.size(1)});
  check.strided("x", args.x, args.x.dtype(), args.x.shape());
  check.disjoint("out", args.out, "x", args.x);
  if (!is_copy) {
    check.operand("rows", args.rows, DType::kI32, {num_rows});
    check.disjoint("out", args.out, "rows", args.rows);
  }
  if constexpr (kHasCuda) {
    if (stream.is_cuda()) {
      const ProfileRange range("gather_rows");
      return cuda::gather_rows(stream.cuda(), args);
    }
  }
  cpu::gather_rows(stream.cpu(), args);
}

}  // namespace talon::ops
