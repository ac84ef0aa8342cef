// A thread a sequence; a few integers and one random number.
#include "ops/force_accept.h"

#include "base/rng.h"
#include "ops/cuda_kernel.cuh"

namespace talon::ops::cuda {
namespace {

constexpr int kThreads = 128;

struct ForceParams {
  int32_t* accepted;            // [B]
  int32_t* next_token;          // [B]
  const int32_t* choices;       // [N]
  const int32_t* first_choice;  // [B]
  const int32_t* num_drafts;    // [B]
  const int32_t* slots;         // [B]
  const int64_t* seeds;         // [S]
  const int32_t* indices;       // [N]
  double extra;
  int num_sequences;
};

__global__ void __launch_bounds__(kThreads) force_kernel(const ForceParams p) {
  await_previous();
  const int b = static_cast<int>(blockIdx.x) * kThreads + static_cast<int>(threadIdx.x);
  if (b >= p.num_sequences) {
    return;
  }
  const int first = p.first_choice[b];
  if (first < 0) {
    p.accepted[b] = -1;
    p.next_token[b] = -1;
    return;
  }
  const auto seed = static_cast<uint64_t>(p.seeds[p.slots[b]]);
  const auto index = static_cast<uint64_t>(p.indices[first]);
  const auto u = static_cast<double>(uniform_float(seed, index, RngPurpose::kSynthetic));
  const double whole = floor(p.extra);
  const double wanted = whole + (u < p.extra - whole ? 1.0 : 0.0);
  const double most = p.num_drafts[b];
  const int accepted = static_cast<int>(wanted < most ? wanted : most);
  p.accepted[b] = accepted;
  p.next_token[b] = p.choices[first + accepted];
}

}  // namespace

void force_accept(CudaContext& context, const ForceAcceptArgs& args) {
  const int64_t num_sequences = args.first_choice.size(0);
  launch({.grid = dim3(grid_size(num_sequences, kThreads)),
          .block = dim3(kThreads),
          .stream = context.stream_handle(),
          .dependent = true},
         force_kernel,
         {.accepted = args.accepted.as<int32_t>(),
          .next_token = args.next_token.as<int32_t>(),
          .choices = args.choices.as<int32_t>(),
          .first_choice = args.first_choice.as<int32_t>(),
          .num_drafts = args.num_drafts.as<int32_t>(),
          .slots = args.slots.as<int32_t>(),
          .seeds = args.seeds.as<int64_t>(),
          .indices = args.indices.as<int32_t>(),
          .extra = args.extra,
          .num_sequences = static_cast<int>(num_sequences)});
}

}  // namespace talon::ops::cuda
