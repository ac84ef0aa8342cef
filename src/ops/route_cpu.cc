#include "ops/route.h"

#include <array>
#include <limits>

#include "core/cpu_context.h"
#include "core/dtype.h"
#include "ops/cpu_loop.h"
#include "ops/cpu_math.h"

namespace talon::ops::cpu {
namespace {

using Values = std::array<float, kMaxExperts>;

// Index of the largest score not yet taken, ties to the lower; a taken one is NaN. The scores that
// came as NaN are minus infinity by now, so there always is one.
int64_t take_best(Values& scores, int64_t num_experts) {
  int64_t best = -1;
  for (int64_t e = 0; e < num_experts; ++e) {
    const float score = scores[static_cast<size_t>(e)];
    if (score == score && (best < 0 || score > scores[static_cast<size_t>(best)])) {
      best = e;
    }
  }
  scores[static_cast<size_t>(best)] = std::numeric_limits<float>::quiet_NaN();
  return best;
}

template <class T>
void route_row(const RouteArgs& args, int64_t t) {
  const int64_t num_experts = args.bias.size(0);
  const int64_t num_chosen = args.expert_ids.size(1);
  const T* x = args.x.row<T>(t);
  const auto* bias = args.bias.as<float>();
  Values sigmoids;
  Values scores;
  for (int64_t e = 0; e < num_experts; ++e) {
    const float* gate = args.gate.row<float>(e);
    const float logit =
        lane_sum(args.x.size(1), [&](int64_t c) { return to_float(x[c]) * gate[c]; });
    const auto i = static_cast<size_t>(e);
    sigmoids[i] = cpu_sigmoid(logit);
    const float score = sigmoids[i] + bias[e];
    scores[i] = score == score ? score : -std::numeric_limits<float>::infinity();
  }
  auto* ids = args.expert_ids.row<int32_t>(t);
  auto* weights = args.weights.row<float>(t);
  float sum = 0.0F;
  for (int64_t m = 0; m < num_chosen; ++m) {
    const int64_t expert = take_best(scores, num_experts);
    ids[m] = static_cast<int32_t>(expert);
    weights[m] = sigmoids[static_cast<size_t>(expert)];
    sum += weights[m];
  }
  for (int64_t m = 0; m < num_chosen; ++m) {
    weights[m] = (weights[m] / sum) * args.scale;
  }
}

}  // namespace

void route_dead_row(const RouteArgs& args, int64_t t) {
  for (int64_t m = 0; m < args.expert_ids.size(1); ++m) {
    args.expert_ids.row<int32_t>(t)[m] = -1;
    args.weights.row<float>(t)[m] = 0.0F;
  }
}

void route(CpuContext& context, const RouteArgs& args) {
  const auto* positions = args.positions.as<int32_t>();
  const int64_t work = args.bias.size(0) * args.x.size(1);
  dispatch_float(args.x.dtype(), [&]<class T>() {
    for_rows(context, args.x.size(0), work, [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) {
        positions[t] < 0 ? route_dead_row(args, t) : route_row<T>(args, t);
      }
    });
  });
}

}  // namespace talon::ops::cpu
