// What kind of model a config.json says it is, before anything else of it is believed.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace talon {

struct ModelIdentity {
  std::string architecture;  // architectures[0], "" without
  std::string model_type;    // "" without
};

Result<ModelIdentity> read_model_identity(std::string_view json_text);

// An EAGLE-3 head of any family; whether it is implemented, parse_eagle3_config says.
bool is_eagle3(const ModelIdentity& identity);

}  // namespace talon
