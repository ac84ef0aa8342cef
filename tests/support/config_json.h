// The sizes of small test models as text in the form of the real checkpoints' config.json, and
// back. Written from the specification, not from src/model, and forgiving nothing: a missing key
// throws. Keys that change nothing here are written with the real model's values.
#pragma once

#include <string>
#include <string_view>

#include "oracle/eagle3_oracle.h"
#include "oracle/m3_oracle.h"

namespace talon::test {

// Nested as the real file. `quantization` is the JSON text of quantization_config; empty for none.
std::string m3_config_text(const oracle::M3Config& config, std::string_view quantization = {});
std::string eagle3_config_text(const oracle::Eagle3Config& config, int64_t max_positions);

oracle::M3Config m3_config_from_text(std::string_view text);
oracle::Eagle3Config eagle3_config_from_text(std::string_view text);

}  // namespace talon::test
