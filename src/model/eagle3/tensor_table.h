// The tensors of an EAGLE-3 head (spec/eagle3.md 14.1), under the loader's names: `layers.0.` also
// stands for `midlayer.`. The embedding, the head and both vocabulary maps are optional.
#pragma once

#include "model/eagle3/config.h"
#include "model/tensor_table.h"

namespace talon {

TensorTable eagle3_tensor_table(const Eagle3Config& config);

}  // namespace talon
