#include "server/api/json_text.h"

namespace talon::server {

std::string json_line(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string data_frame(const Json& json) { return "data: " + json_line(json) + "\n\n"; }

}  // namespace talon::server
