#include "ops/moe_experts.h"

#include "base/check.h"
#include "base/checked_int.h"
#include "core/arena.h"
#include "core/backend.h"
#include "core/dtype.h"
#include "core/profile_range.h"
#include "core/stream.h"
#include "ops/moe_experts_cpu.h"
#include "ops/op_checks.h"
#include "ops/pack.h"
#include "ops/tile_product.h"
#include "ops/weight.h"

namespace talon::ops {
namespace {

void check_expert(const Expert& expert, int64_t hidden, bool is_cuda) {
  if (is_cuda) {
    check_cuda_rows("moe_experts", expert.gate_up);
    check_cuda_rows("moe_experts", expert.down);
  } else {
    TALON_CHECK(expert.gate_up.layout == WeightLayout::kCpuTiles &&
                    expert.down.layout == WeightLayout::kCpuTiles,
                "moe_experts: the CPU product needs packed weights");
  }
  TALON_CHECK(expert.gate_up.num_in == hidden && expert.down.num_out == hidden,
              "moe_experts: an expert of {} inputs and {} outputs, hidden is {}",
              expert.gate_up.num_in, expert.down.num_out, hidden);
  TALON_CHECK(expert.down.num_in > 0 && expert.gate_up.num_out == 2 * expert.down.num_in,
              "moe_experts: {} gate and up rows for a width of {}", expert.gate_up.num_out,
              expert.down.num_in);
}

void check_args(Stream stream, const MoeExpertsArgs& args) {
  const OpChecks checks("moe_experts", stream);
  checks.activation_dtype("x", args.x);
  checks.rank("x", args.x, 2);
  checks.rank("expert_ids", args.expert_ids, 2);
  const int64_t rows = args.x.size(0);
  const int64_t hidden = args.x.size(1);
  const int64_t per_token = args.expert_ids.size(1);
  checks.strided("x", args.x, args.x.dtype(), {rows, hidden});
  checks.strided("out", args.out, args.x.dtype(), {rows, hidden});
  checks.operand("expert_ids", args.expert_ids, DType::kI32, {rows, per_token});
  checks.operand("weights", args.weights, DType::kF32, {rows, per_token});
  checks.disjoint("out", args.out, "x", args.x);
  const auto num_experts = static_cast<int64_t>(args.experts.size());
  TALON_CHECK(num_experts <= cpu::kMaxExperts, "{} experts are over {}", num_experts,
              cpu::kMaxExperts);
  for (const Expert& expert : args.experts) {
    check_expert(expert, hidden, stream.is_cuda());
    TALON_CHECK(expert.down.num_in == args.experts[0].down.num_in, "experts of unequal width");
  }
  if (args.shared != nullptr) {
    check_expert(*args.shared, hidden, stream.is_cuda());
  }
}

void check_ids(const MoeExpertsArgs& args) {
  const auto num_experts = static_cast<int64_t>(args.experts.size());
  const int32_t* ids = args.expert_ids.as<int32_t>();
  for (int64_t i = 0; i < args.expert_ids.shape().num_elements(); ++i) {
    TALON_CHECK(ids[i] >= -1 && ids[i] < num_experts, "expert {} of {}", ids[i], num_experts);
  }
}

}  // namespace

void moe_experts(Stream stream, Arena& arena, const MoeExpertsArgs& args) {
  check_args(stream, args);
  if (args.x.size(0) == 0 || args.x.size(1) == 0) {
    return;
  }
  const Arena::Scope scope(arena);
  if constexpr (kHasCuda) {
    if (stream.is_cuda()) {
      const ProfileRange range("moe_experts");
      return cuda::moe_experts(stream.cuda(), arena, args);
    }
  }
  check_ids(args);
  cpu::moe_experts(stream.cpu(), arena, args);
}

int64_t moe_experts_scratch_bytes(int64_t num_rows,
                                  int64_t experts_per_token,
                                  int64_t hidden,
                                  int64_t expert_width,
                                  int64_t shared_width) {
  const int64_t pairs = num_rows * experts_per_token;
  const int64_t columns = round_up(hidden, cpu::kTileGroup * kTileOutputs);
  const int64_t floats = pairs * hidden                              // gathered rows of x
                         + 3 * pairs * expert_width                  // gate, up and activation
                         + 3 * num_rows * shared_width               //
                         + (pairs + num_rows) * columns              // outputs of the experts
                         + 4 * pairs + num_rows + kCudaMoeListInts;  // lists
  constexpr int64_t kNumArrays = 8;
  return 4 * floats + kNumArrays * Arena::kArenaAlignment;
}

}  // namespace talon::ops
