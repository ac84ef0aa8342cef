// JSON as it goes on the wire. Include from .cc files only.
#pragma once

#include <string>

#include "base/json.h"

namespace talon::server {

// One line, without a newline; a string that is not UTF-8 gets U+FFFD for what is wrong in it.
std::string json_line(const Json& json);

// A frame of an event stream: "data: {...}\n\n".
std::string data_frame(const Json& json);

}  // namespace talon::server
