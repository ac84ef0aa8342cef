// The experts of one layer of the tiny model on the CPU: GB/s counts each expert's weights once, if
// any row chose it.
#include "ops/moe_experts.h"

#include <benchmark/benchmark.h>

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "core/arena.h"
#include "core/buffer.h"
#include "core/cpu_context.h"
#include "core/stream.h"
#include "ops/pack.h"
#include "ops/weight.h"

namespace talon::ops {
namespace {

constexpr int64_t kHidden = 256;
constexpr int64_t kExperts = 16;
constexpr int64_t kPerToken = 4;
constexpr int64_t kWidth = 64;
constexpr int64_t kSharedWidth = 128;

PackedWeight packed_zeros(int64_t num_out, int64_t num_in) {
  const Buffer values = Buffer::zeroed(2 * num_out * num_in);
  Weight weight;
  weight.num_out = num_out;
  weight.num_in = num_in;
  weight.values = values.view(DType::kBf16, {num_out, num_in});
  return PackedWeight::pack(weight);
}

// Arguments: path, threads, 1 for bf16, rows.
void moe_layer(benchmark::State& state) {
  const auto path = static_cast<CpuPath>(state.range(0));
  const DType dtype = state.range(2) == 1 ? DType::kBf16 : DType::kF32;
  const int64_t rows = state.range(3);
  CpuContext context(static_cast<int>(state.range(1)), path);
  std::vector<PackedWeight> packed;
  std::vector<Expert> experts;
  for (int64_t e = 0; e <= kExperts; ++e) {
    const int64_t width = e == kExperts ? kSharedWidth : kWidth;
    packed.push_back(packed_zeros(2 * width, kHidden));
    packed.push_back(packed_zeros(kHidden, width));
    experts.push_back({.gate_up = packed[packed.size() - 2].weight(),
                       .down = packed[packed.size() - 1].weight()});
  }
  std::vector<int32_t> ids;
  std::set<int32_t> distinct;
  for (int64_t t = 0; t < rows; ++t) {
    for (int64_t m = 0; m < kPerToken; ++m) {  // neighbours share half of their experts
      ids.push_back(static_cast<int32_t>((2 * t + 5 * m) % kExperts));
      distinct.insert(ids.back());
    }
  }
  const std::vector<float> weights(ids.size(), 0.25F);
  const Buffer x = Buffer::zeroed(2 * rows * kHidden * 4);
  Arena arena(moe_experts_scratch_bytes(rows, kPerToken, kHidden, kWidth, kSharedWidth));
  const MoeExpertsArgs args = {
      .out = TensorView(x.data() + x.num_bytes() / 2, dtype, {rows, kHidden}),
      .x = x.view(dtype, {rows, kHidden}),
      .expert_ids = ConstTensorView(ids.data(), {rows, kPerToken}),
      .weights = ConstTensorView(weights.data(), {rows, kPerToken}),
      .experts = {experts.data(), static_cast<size_t>(kExperts)},
      .shared = &experts.back(),
      .activation = {}};
  for (auto _ : state) {
    moe_experts(Stream(context), arena, args);
    benchmark::ClobberMemory();
  }
  const auto used = static_cast<int64_t>(distinct.size());
  state.SetBytesProcessed(state.iterations() * 6 * kHidden * (used * kWidth + kSharedWidth));
  state.SetLabel(std::string(cpu_path_name(path)) + " " + std::string(dtype_name(dtype)) + ", " +
                 std::to_string(used) + " experts");
}

void shapes(benchmark::internal::Benchmark* bench) {
  for (const CpuPath path : {CpuPath::kAvx2, CpuPath::kAvx512, CpuPath::kAmx}) {
    if (!cpu_path_available(path)) {
      continue;
    }
    for (const int64_t threads : {1, 2}) {
      for (const int64_t rows : {1, 2, 4, 8, 512}) {
        bench->Args({static_cast<int64_t>(path), threads, 1, rows});
      }
    }
  }
}

BENCHMARK(moe_layer)->Apply(shapes)->Unit(benchmark::kMicrosecond)->UseRealTime();

}  // namespace
}  // namespace talon::ops
