// `quantization_config` of a config.json. It is checked, not obeyed: a tensor's own dtype and shape
// say how it is stored (model/quantisation.h). For .cc files only, as it includes base/json.h.
#pragma once

#include <string>

#include "model/config_reader.h"

namespace talon {

// The quant_method, "" without the key: "mxfp8", "fp8" (per channel or in 128 x 128 blocks) or
// "quark" (MXFP4). A method, group or scale that no WeightFormat covers is a problem naming it.
std::string read_quantisation(ConfigReader& reader, std::string_view key);

}  // namespace talon
