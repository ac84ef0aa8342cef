#include "model/model_identity.h"

#include "model/config_reader.h"

namespace talon {

ModelIdentity identity_of(const Json& root) {
  ModelIdentity identity;
  const auto list = root.find("architectures");
  if (list != root.end() && list->is_array() && !list->empty() && (*list)[0].is_string()) {
    identity.architecture = (*list)[0].get<std::string>();
  }
  const auto type = root.find("model_type");
  if (type != root.end() && type->is_string()) {
    identity.model_type = type->get<std::string>();
  }
  return identity;
}

Result<ModelIdentity> read_model_identity(std::string_view json_text) {
  const Result<Json> parsed = parse_config_text(json_text);
  if (!parsed.ok()) {
    return Failure{parsed.message()};
  }
  return identity_of(parsed.value());
}

bool is_eagle3(const ModelIdentity& identity) {
  return identity.architecture.find("Eagle3") != std::string::npos;
}

}  // namespace talon
