// The gate of an MLP on one pair, for gated_activation and the experts.
#pragma once

#include "ops/cuda_kernel.cuh"
#include "ops/gated_activation.h"

namespace talon::ops::cuda {

// Comparisons are written so that a NaN passes through the clamps.
__device__ inline float activate(float gate, float up, const Activation& activation) {
  if (activation.kind == ActivationKind::kSilu) {
    return (gate * sigmoid(gate)) * up;
  }
  const float high = activation.limit;
  const float low = -activation.limit;
  const float g = high < gate ? high : gate;
  const float u_below = high < up ? high : up;
  const float u = low > u_below ? low : u_below;
  return ((u + 1.0F) * g) * sigmoid(activation.alpha * g);
}

}  // namespace talon::ops::cuda
