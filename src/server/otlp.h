// Requests as spans of OpenTelemetry, in the JSON of OTLP/HTTP. Pure functions.
//
// A request is one span of kind SERVER with children for its phases, as far as it came: queue
// (arrival to a slot), prefill (to the first token), decode (to the last).
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "server/request_record.h"

namespace talon::server {

// The body of one export. `model` is an attribute of each span, `version` that of the scope.
std::string otlp_body(std::span<const std::shared_ptr<const RequestRecord>> records,
                      std::string_view model,
                      std::string_view version);

}  // namespace talon::server
