// GET /v1/models and /v1/models/{id} (spec/serving.md 2.1). Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "server/api/context.h"
#include "server/api/error.h"

namespace talon::server {

// A list with a card a served name. `created`: seconds since 1970.
std::string models_body(const ApiContext& context, int64_t created);

// The card of one name, or an error with status 404.
std::variant<std::string, ApiError> model_body(std::string_view name,
                                               const ApiContext& context,
                                               int64_t created);

}  // namespace talon::server
