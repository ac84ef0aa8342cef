// The tensors of a MiniMax-M3 text model (spec/minimax_m3.md 4.1), under the loader's names.
#pragma once

#include "model/minimax_m3/config.h"
#include "model/tensor_table.h"

namespace talon {

TensorTable m3_tensor_table(const M3Config& config);

// "model.layers.3."
std::string m3_layer_prefix(int32_t layer);

}  // namespace talon
