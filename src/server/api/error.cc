#include "server/api/error.h"

#include <utility>

#include "base/json.h"
#include "server/api/json_text.h"

namespace talon::server {

ApiError bad_request(std::string_view code, std::string_view param, std::string message) {
  return {.status = code == "model_not_found" ? 404 : 400,
          .code = std::string(code),
          .param = std::string(param),
          .message = std::move(message)};
}

ApiError queue_full_error() {
  return {.status = 429,
          .type = "rate_limit_error",
          .code = "queue_full",
          .message = "too many requests wait"};
}

std::string error_body(const ApiError& error) {
  const Json param = error.param.empty() ? Json(nullptr) : Json(error.param);
  return json_line({{"error",
                     {{"message", error.message},
                      {"type", error.type},
                      {"param", param},
                      {"code", error.code}}}});
}

std::string error_frame(const ApiError& error) { return "data: " + error_body(error) + "\n\n"; }

}  // namespace talon::server
