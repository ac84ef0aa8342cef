// The tensors of a MiniMax-M3 checkpoint: names, shapes and dtypes, typed from the published tables
// (spec section 4.1) and sharing nothing with the loader. Used to make test checkpoints, and to
// check the loader's and `talon inspect`'s own tables against it. Stateless.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "oracle/m3_oracle.h"

namespace talon::oracle {

struct TensorSpec {
  std::string name;
  std::vector<int64_t> shape;
  std::string dtype;  // as in safetensors headers: BF16 or F32

  int64_t num_values() const;
};

// The text model, in file order.
std::vector<TensorSpec> m3_tensors(const M3Config& config);

// The 523 tensors of the real vision tower, projector and patch merger.
std::vector<TensorSpec> m3_vision_tensors();

// The sizes of the real model.
M3Config real_m3_config();

}  // namespace talon::oracle
