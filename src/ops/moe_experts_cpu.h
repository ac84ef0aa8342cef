// The CPU form of `moe_experts`, one for all instruction paths: the products and the activation
// choose by path (ops/tile_product.h, ops/row_kernels.h).
#pragma once

#include <cstdint>

#include "core/arena.h"
#include "core/cpu_context.h"
#include "ops/moe_experts.h"

namespace talon::ops::cpu {

inline constexpr int64_t kMaxExperts = 1024;  // lists of experts are on the stack

void moe_experts(CpuContext& context, Arena& arena, const MoeExpertsArgs& args);

}  // namespace talon::ops::cpu
