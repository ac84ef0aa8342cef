// One block a sequence: the largest logit, then the draw, then the law, each a pass over the row.
#include "ops/draw_draft.h"

#include <cfloat>

#include "ops/cuda_kernel.cuh"
#include "ops/draw_row.cuh"

namespace talon::ops::cuda {
namespace {

struct DraftParams {
  int32_t* tokens;           // [B, 1]
  float* laws;               // [S, V] or null
  const float* logits;       // [B, V_d]
  const uint8_t* allowed;    // [V_d] or null
  const int32_t* map;        // [V_d] or null
  const int32_t* slots;      // [B]
  const int32_t* active;     // [B]
  const int32_t* kv_len;     // [B]
  const int64_t* seeds;      // [S]
  const float* temperature;  // [S]
  int64_t tokens_stride;
  int64_t laws_stride;
  int64_t laws_size;  // V
  int64_t logits_stride;
  int size;  // V_d
  int number;

  __device__ int32_t id(int column) const { return map == nullptr ? column : map[column]; }

  // logit / temperature; a finite stand-in for infinity keeps differences defined.
  __device__ double value(const float* row, int column, double by) const {
    const float logit = row[column];
    const bool counts = (allowed == nullptr || allowed[column] != 0) && logit == logit;
    return counts ? fmin(static_cast<double>(logit) / by, DBL_MAX) : -INFINITY;
  }
};

__device__ int32_t draw(const DraftParams& p, const float* row, double by, DrawShared& shared) {
  const int b = static_cast<int>(blockIdx.x);
  TokenNoise noise(p.seeds[p.slots[b]], int64_t{p.kv_len[b]} + 1 + p.number, RngPurpose::kToken,
                   p.laws == nullptr ? 0 : p.number + 1);
  Candidate best = {0.0, -1};
  for (int c = static_cast<int>(threadIdx.x); c < p.size; c += kDrawThreads) {
    const double value = p.value(row, c, by);
    if (value == -INFINITY || (best.id >= 0 && value + TokenNoise::kLargestGumbel < best.value)) {
      continue;
    }
    best = better(best, {value + gumbel(noise, p.id(c)), p.id(c)});
  }
  return block_best(best, shared).id;
}

// Softmax over the row, or certainty of one token.
__device__ void write_law(
    const DraftParams& p, const float* row, double by, Candidate largest, DrawShared& shared) {
  float* law = p.laws + p.slots[blockIdx.x] * p.laws_stride;
  double own = 0.0;
  for (int c = static_cast<int>(threadIdx.x); largest.id < 0 && c < p.size; c += kDrawThreads) {
    own += exp(p.value(row, c, by) - largest.value);
  }
  const double total = block_sum(own, shared);
  for (int64_t i = threadIdx.x; i < p.laws_size; i += kDrawThreads) {
    law[i] = 0.0F;
  }
  __syncthreads();
  if (largest.id >= 0) {
    if (threadIdx.x == 0) {
      law[largest.id] = 1.0F;
    }
    return;
  }
  for (int c = static_cast<int>(threadIdx.x); c < p.size; c += kDrawThreads) {
    law[p.id(c)] = static_cast<float>(exp(p.value(row, c, by) - largest.value) / total);
  }
}

__global__ void __launch_bounds__(kDrawThreads) draft_kernel(const DraftParams p) {
  await_previous();
  __shared__ DrawShared shared;
  const int b = static_cast<int>(blockIdx.x);
  const auto by = static_cast<double>(p.temperature[p.slots[b] < 0 ? 0 : p.slots[b]]);
  if (p.active[b] == 0 || !(by > 0.0)) {
    return;
  }
  const float* row = p.logits + b * p.logits_stride;
  double own = -INFINITY;
  for (int c = static_cast<int>(threadIdx.x); c < p.size; c += kDrawThreads) {
    own = fmax(own, p.value(row, c, by));
  }
  Candidate largest = {block_max(own, shared), -1};
  int32_t& token = p.tokens[b * p.tokens_stride];
  if (largest.value == -INFINITY) {  // nothing to draw from: the greedy draft stays, as a certainty
    largest = {0.0, token};
  } else {
    const int32_t drawn = draw(p, row, by, shared);
    if (threadIdx.x == 0) {
      token = drawn;
    }
  }
  if (p.laws != nullptr) {
    write_law(p, row, by, largest, shared);
  }
}

}  // namespace

void draw_draft(CudaContext& context, const DrawDraftArgs& args) {
  launch({.grid = dim3(static_cast<unsigned>(args.logits.size(0))),
          .block = dim3(kDrawThreads),
          .stream = context.stream_handle(),
          .dependent = true},
         draft_kernel,
         {.tokens = args.tokens.as<int32_t>(),
          .laws = args.laws.empty() ? nullptr : args.laws.as<float>(),
          .logits = args.logits.as<float>(),
          .allowed = pointer_or_null<uint8_t>(args.allowed),
          .map = pointer_or_null<int32_t>(args.map),
          .slots = args.slots.as<int32_t>(),
          .active = args.active.as<int32_t>(),
          .kv_len = args.kv_len.as<int32_t>(),
          .seeds = args.seeds.as<int64_t>(),
          .temperature = args.temperature.as<float>(),
          .tokens_stride = args.tokens.stride(0),
          .laws_stride = args.laws.empty() ? 0 : args.laws.stride(0),
          .laws_size = args.laws.empty() ? 0 : args.laws.size(1),
          .logits_stride = args.logits.stride(0),
          .size = static_cast<int>(args.logits.size(1)),
          .number = args.number});
}

}  // namespace talon::ops::cuda
