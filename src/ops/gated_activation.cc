#include "ops/gated_activation.h"

#include "base/check.h"
#include "core/backend.h"
#include "core/cpu_path.h"
#include "core/dtype.h"
#include "core/profile_range.h"
#include "core/shape.h"
#include "core/stream.h"
#include "ops/op_checks.h"

namespace talon::ops {

void gated_activation(Stream stream, const GatedActivationArgs& args) {
  const OpChecks check("gated_activation", stream);
  check.rank("out", args.out, 2);
  check.activation_dtype("out", args.out);
  const Shape& shape = args.out.shape();
  const DType in = args.gate_up.dtype();
  TALON_CHECK(in == DType::kF32 || in == args.out.dtype(), "gated_activation: {} from {}",
              dtype_name(args.out.dtype()), dtype_name(in));
  check.strided("out", args.out, args.out.dtype(), shape);
  check.strided("gate_up", args.gate_up, in, {shape[0], 2 * shape[1]});
  check.disjoint("out", args.out, "gate_up", args.gate_up);
  if constexpr (kHasCuda) {
    if (stream.is_cuda()) {
      const ProfileRange range("gated_activation");
      return cuda::gated_activation(stream.cuda(), args);
    }
  }
  if (stream.cpu().path() == CpuPath::kScalar) {
    cpu::gated_activation(stream.cpu(), args);
  } else {
    cpu::gated_activation_fast(stream.cpu(), args);
  }
}

}  // namespace talon::ops
