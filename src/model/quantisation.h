// How a linear layer's weight is stored in a checkpoint: the dialects of spec/minimax_m3.md 4.1-4.4
// end here. The dtype and shape of `X.weight` and of the scales beside it decide; the suffix of the
// scales does not, because `.weight_scale_inv` is used for 128 x 128 blocks (F32) and for MXFP8
// (U8) alike. Views of file bytes may be unaligned: read them with memcpy only, as PackedWeight
// does.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "model/checkpoint.h"
#include "ops/weight.h"

namespace talon {

// A weight as found: `values`, and `scales` unless the format is bf16.
struct LinearTensors {
  WeightFormat format = WeightFormat::kBf16;
  const CheckpointTensor* values = nullptr;
  const CheckpointTensor* scales = nullptr;
  int64_t num_out = 0;
  int64_t num_in = 0;

  Weight row_major() const;
};

// A tensor that is missing or does not have the form asked for.
struct TensorProblem {
  std::string file_name;  // the shard; empty if the tensor is in none
  std::string text;       // one line naming the tensor
};

// Where the scales of `X.weight` may be found: X.weight_scale_inv, X.weight_scale, X.scale.
std::array<std::string, 3> scale_names(std::string_view weight_name);

// `name` ends in ".weight" and is in the checkpoint; the weight has shape [num_out, num_in].
std::variant<LinearTensors, TensorProblem> find_linear(const Checkpoint& checkpoint,
                                                       std::string_view name,
                                                       int64_t num_out,
                                                       int64_t num_in);

// "[128, 64]"
std::string shape_text(std::span<const int64_t> shape);

}  // namespace talon
