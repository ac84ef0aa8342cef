#include "ops/route.h"

#include <algorithm>
#include <array>
#include <limits>

#include "base/checked_int.h"
#include "core/cpu_context.h"
#include "core/cpu_path.h"
#include "core/dtype.h"
#include "ops/cpu_loop.h"
#include "ops/row_kernels.h"

namespace talon::ops::cpu {
namespace {

// The gate is read once for so many rows.
constexpr int64_t kBlockRows = 8;

using Values = std::array<float, kMaxExperts>;

template <CpuPath kPath>
void choose(const RouteArgs& args, int64_t t, Values& sigmoids) {
  constexpr float kLowest = -std::numeric_limits<float>::infinity();
  constexpr float kTaken = std::numeric_limits<float>::quiet_NaN();
  const int64_t num_experts = args.bias.size(0);
  const int64_t num_chosen = args.expert_ids.size(1);
  Values scores;
  sigmoid_row<kPath>(sigmoids.data(), sigmoids.data(), num_experts);
  add_row<kPath, float, float>(scores.data(), sigmoids.data(), args.bias.as<float>(), num_experts);
  float* const end = scores.data() + num_experts;
  std::replace_if(scores.data(), end, [](float score) { return score != score; }, kLowest);

  auto* ids = args.expert_ids.row<int32_t>(t);
  auto* weights = args.weights.row<float>(t);
  float sum = 0.0F;
  for (int64_t m = 0; m < num_chosen; ++m) {
    const float best = max_row<kPath, float>(scores.data(), nullptr, num_experts);
    float* const expert = std::find(scores.data(), end, best);  // the lowest of equals
    *expert = kTaken;
    ids[m] = static_cast<int32_t>(expert - scores.data());
    weights[m] = sigmoids[static_cast<size_t>(ids[m])];
    sum += weights[m];
  }
  for (int64_t m = 0; m < num_chosen; ++m) {
    weights[m] = (weights[m] / sum) * args.scale;
  }
}

// Rows [first, first + count) of a call, count <= kBlockRows.
template <CpuPath kPath, class T>
class Block {
 public:
  Block(const RouteArgs& args, int64_t first)
      : args_(args), first_(first), count_(std::min(kBlockRows, args.x.size(0) - first)) {}

  void multiply(int64_t begin, int64_t end) {
    for (int64_t e = begin; e < end; ++e) {
      const float* gate = args_.gate.template row<float>(e);
      for (int64_t r = 0; r < count_; ++r) {
        if (is_live(r)) {
          logits_[static_cast<size_t>(r)][static_cast<size_t>(e)] =
              dot_row<kPath, T>(args_.x.template row<T>(first_ + r), gate, args_.x.size(1));
        }
      }
    }
  }

  void choose_experts() {
    for (int64_t r = 0; r < count_; ++r) {
      if (is_live(r)) {
        choose<kPath>(args_, first_ + r, logits_[static_cast<size_t>(r)]);
      } else {
        route_dead_row(args_, first_ + r);
      }
    }
  }

 private:
  bool is_live(int64_t r) const { return args_.positions.template as<int32_t>()[first_ + r] >= 0; }

  const RouteArgs& args_;
  int64_t first_;
  int64_t count_;
  std::array<Values, kBlockRows> logits_;  // written by multiply, a row by its sigmoids in choose
};

// Few rows: threads share the experts of one block after the other. Many: they share the blocks.
template <CpuPath kPath, class T>
void run(CpuContext& context, const RouteArgs& args) {
  const int64_t num_rows = args.x.size(0);
  const int64_t num_experts = args.bias.size(0);
  const int64_t num_blocks = ceil_div(num_rows, kBlockRows);
  if (num_blocks < context.pool().num_threads()) {
    for (int64_t first = 0; first < num_rows; first += kBlockRows) {
      Block<kPath, T> block(args, first);
      const int64_t work = args.x.size(1) * std::min(kBlockRows, num_rows - first);
      for_rows(context, num_experts, work,
               [&](int64_t begin, int64_t end) { block.multiply(begin, end); });
      block.choose_experts();
    }
    return;
  }
  context.pool().parallel_for(num_blocks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      Block<kPath, T> block(args, i * kBlockRows);
      block.multiply(0, num_experts);
      block.choose_experts();
    }
  });
}

}  // namespace

void route_fast(CpuContext& context, const RouteArgs& args) {
  dispatch_vector(context.path(), [&]<CpuPath kPath>() {
    dispatch_float(args.x.dtype(), [&]<class T>() { run<kPath, T>(context, args); });
  });
}

}  // namespace talon::ops::cpu
