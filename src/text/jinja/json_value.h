// JSON as values of the template language. Includes the JSON library: for .cc files only.
#pragma once

#include "base/json.h"
#include "text/jinja/value.h"

namespace talon::text {

// Key order is kept. A number without fraction that fits int64 is an integer. The document must
// not nest deeper than base/json.h lets documents nest.
Value value_of_json(const Json& json);

}  // namespace talon::text
