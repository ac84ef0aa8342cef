// The one door to nlohmann/json: a heavy header, so include this from .cc files only.
//
// parse_json reads untrusted text. It refuses invalid UTF-8, duplicate keys, nesting deeper than
// `max_depth`, numbers that no finite double or int64 holds, and trailing bytes; the message says
// what and where. Key order is kept.
#pragma once

#include <nlohmann/json.hpp>
#include <string_view>

#include "base/result.h"

namespace talon {

using Json = nlohmann::ordered_json;

struct JsonLimits {
  int max_depth = 64;
};

Result<Json> parse_json(std::string_view text, const JsonLimits& limits = {});

}  // namespace talon
