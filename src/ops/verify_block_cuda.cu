// One block a sequence: up to K sums of residuals over the vocabulary and one draw, each a pass
// over a row of both laws. Sums are of doubles in one order; the accepted number is decided by
// every thread alike.
#include "ops/verify_block.h"

#include "ops/cuda_kernel.cuh"
#include "ops/draw_row.cuh"

namespace talon::ops::cuda {
namespace {

struct BlockParams {
  int32_t* accepted;            // [B]
  int32_t* next_token;          // [B]
  const float* target_laws;     // [N, V]
  const float* draft_laws;      // [S, K', V]
  const int32_t* choices;       // [N]
  const int32_t* first_choice;  // [B]
  const int32_t* indices;       // [N]
  const int32_t* drafts;        // [B, K]
  const int32_t* num_drafts;    // [B]
  const int32_t* slots;         // [B]
  const int64_t* seeds;         // [S]
  const float* temperature;     // [S]
  int64_t drafts_stride;
  int64_t slot_stride;  // K' * V
  int64_t size;         // V
};

// What is left of a target's law, scaled, above a draft's.
struct Residual {
  const float* target;
  const float* draft;
  double weight;

  __device__ double at(int64_t id) const {
    const double above = weight * static_cast<double>(target[id]) - static_cast<double>(draft[id]);
    return above > 0.0 ? above : 0.0;
  }
};

__device__ double sum_of(const Residual& residual, int64_t size, DrawShared& shared) {
  double own = 0.0;
  for (int64_t id = threadIdx.x; id < size; id += kDrawThreads) {
    own += residual.at(id);
  }
  return block_sum(own, shared);
}

// The largest log residual + noise; `otherwise` if nothing is left, which rounding alone can bring.
__device__ int32_t draw(const Residual& residual,
                        int64_t size,
                        TokenNoise noise,
                        int32_t otherwise,
                        DrawShared& shared) {
  Candidate best = {0.0, -1};
  for (int64_t id = threadIdx.x; id < size; id += kDrawThreads) {
    const double left = residual.at(id);
    if (left > 0.0) {
      const auto token = static_cast<int32_t>(id);
      best = better(best, {log(left) + gumbel(noise, token), token});
    }
  }
  best = block_best(best, shared);
  return best.id < 0 ? otherwise : best.id;
}

// One sequence: its rows of the laws.
struct Block {
  const float* target;
  const float* draft;
  const int32_t* drafts;
  const int32_t* indices;
  int64_t seed;
  int num_drafts;
};

struct Verdict {
  int accepted;
  double weight;  // P of the accepted number
};

// P_i and h_i of the header, in rising i; the largest i whose u_i is below h_i.
__device__ Verdict verdict_of(const Block& block, int64_t size, DrawShared& shared) {
  Verdict verdict = {0, 1.0};
  double weight = 1.0;
  for (int i = 1; i <= block.num_drafts; ++i) {
    const int64_t place = (i - 1) * size + block.drafts[i - 1];
    const auto p = static_cast<double>(block.target[place]);
    const auto q = static_cast<double>(block.draft[place]);
    weight = q > 0.0 ? fmin(weight * p / q, 1.0) : 0.0;
    double chance = weight;
    if (i < block.num_drafts) {
      const Residual residual = {block.target + i * size, block.draft + i * size, weight};
      const double left = sum_of(residual, size, shared);
      const double total = left + 1.0 - weight;
      chance = total > 0.0 ? left / total : 1.0;
    }
    const double u =
        TokenNoise(block.seed, block.indices[i - 1], RngPurpose::kAccept, i).uniform(0);
    if (u < chance) {
      verdict = {i, weight};
    }
  }
  return verdict;
}

__global__ void __launch_bounds__(kDrawThreads) block_kernel(const BlockParams p) {
  await_previous();
  __shared__ DrawShared shared;
  const int b = static_cast<int>(blockIdx.x);
  const int64_t first = p.first_choice[b];
  const int slot = p.slots[b];
  if (first < 0 || p.num_drafts[b] == 0 || slot < 0 || !(p.temperature[slot] > 0.0F)) {
    return;
  }
  const Block block = {.target = p.target_laws + first * p.size,
                       .draft = p.draft_laws + slot * p.slot_stride,
                       .drafts = p.drafts + b * p.drafts_stride,
                       .indices = p.indices + first,
                       .seed = p.seeds[slot],
                       .num_drafts = p.num_drafts[b]};
  const Verdict verdict = verdict_of(block, p.size, shared);
  int32_t next = p.choices[first + verdict.accepted];
  if (verdict.accepted < block.num_drafts) {
    const Residual residual = {block.target + verdict.accepted * p.size,
                               block.draft + verdict.accepted * p.size, verdict.weight};
    const TokenNoise noise(block.seed, block.indices[verdict.accepted], RngPurpose::kToken);
    next = draw(residual, p.size, noise, next, shared);
  }
  if (threadIdx.x == 0) {
    p.accepted[b] = verdict.accepted;
    p.next_token[b] = next;
  }
}

}  // namespace

void verify_block(CudaContext& context, const VerifyBlockArgs& args) {
  launch({.grid = dim3(static_cast<unsigned>(args.first_choice.size(0))),
          .block = dim3(kDrawThreads),
          .stream = context.stream_handle(),
          .dependent = true},
         block_kernel,
         {.accepted = args.accepted.as<int32_t>(),
          .next_token = args.next_token.as<int32_t>(),
          .target_laws = args.target_laws.as<float>(),
          .draft_laws = args.draft_laws.as<float>(),
          .choices = args.choices.as<int32_t>(),
          .first_choice = args.first_choice.as<int32_t>(),
          .indices = args.indices.as<int32_t>(),
          .drafts = args.drafts.as<int32_t>(),
          .num_drafts = args.num_drafts.as<int32_t>(),
          .slots = args.slots.as<int32_t>(),
          .seeds = args.seeds.as<int64_t>(),
          .temperature = args.temperature.as<float>(),
          .drafts_stride = args.drafts.stride(0),
          .slot_stride = args.draft_laws.stride(0),
          .size = args.target_laws.size(1)});
}

}  // namespace talon::ops::cuda
