// A checkpoint without files, for measuring: random weights in the shapes and formats that a
// config.json states (--load-format dummy). Each tensor is a function of its name alone, so two
// runs have the same. Magnitudes keep activations finite; what such a model says means nothing.
#pragma once

#include <filesystem>
#include <string_view>

#include "model/checkpoint.h"
#include "model/online_quant.h"
#include "model/tensor_table.h"

namespace talon {

// How linear weights of the target are stored by `quantization_config` of a config.json that was
// found to be sound: a format for all but the modules that it leaves alone. Empty: all are bf16.
OnlineQuantConfig stored_formats(std::string_view config_json);

// All tensors of the table. Those of `formats` that a format does not fit are bf16. Takes as much
// memory as the files would.
Checkpoint dummy_checkpoint(const std::filesystem::path& folder,
                            const TensorTable& table,
                            const OnlineQuantConfig& formats);

}  // namespace talon
