#include "ops/route.h"

#include "base/check.h"
#include "core/backend.h"
#include "core/cpu_path.h"
#include "core/dtype.h"
#include "core/profile_range.h"
#include "core/stream.h"
#include "ops/op_checks.h"

namespace talon::ops {

void route(Stream stream, const RouteArgs& args) {
  const OpChecks check("route", stream);
  check.rank("x", args.x, 2);
  check.rank("expert_ids", args.expert_ids, 2);
  check.rank("bias", args.bias, 1);
  check.activation_dtype("x", args.x);
  const int64_t num_rows = args.x.size(0);
  const int64_t num_chosen = args.expert_ids.size(1);
  const int64_t num_experts = args.bias.size(0);
  TALON_CHECK(num_chosen <= num_experts && num_experts <= kMaxExperts, "route: {} of {} experts",
              num_chosen, num_experts);
  check.operand("expert_ids", args.expert_ids, DType::kI32, {num_rows, num_chosen});
  check.operand("weights", args.weights, DType::kF32, {num_rows, num_chosen});
  check.strided("x", args.x, args.x.dtype(), {num_rows, args.x.size(1)});
  check.operand("gate", args.gate, DType::kF32, {num_experts, args.x.size(1)});
  check.operand("bias", args.bias, DType::kF32, {num_experts});
  check.operand("positions", args.positions, DType::kI32, {num_rows});
  check.disjoint("expert_ids", args.expert_ids, "weights", args.weights);
  check.output("expert_ids", args.expert_ids, args.x, args.gate, args.bias, args.positions);
  check.output("weights", args.weights, args.x, args.gate, args.bias, args.positions);
  if constexpr (kHasCuda) {
    if (stream.is_cuda()) {
      const ProfileRange range("route");
      return cuda::route(stream.cuda(), args);
    }
  }
  if (stream.cpu().path() == CpuPath::kScalar) {
    cpu::route(stream.cpu(), args);
  } else {
    cpu::route_fast(stream.cpu(), args);
  }
}

}  // namespace talon::ops
