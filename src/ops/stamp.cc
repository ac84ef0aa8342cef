#include "ops/stamp.h"

#include "core/backend.h"
#include "core/dtype.h"
#include "core/profile_range.h"
#include "core/stream.h"
#include "ops/op_checks.h"

namespace talon::ops {

void stamp(Stream stream, const StampArgs& args) {
  const OpChecks check("stamp", stream);
  check.operand("out", args.out, DType::kI64, {1});
  if constexpr (kHasCuda) {
    if (stream.is_cuda()) {
      const ProfileRange range("stamp");
      return cuda::stamp(stream.cuda(), args);
    }
  }
  cpu::stamp(stream.cpu(), args);
}

}  // namespace talon::ops
