// Why a request gets no answer, in the forms that clients know (spec/serving.md 2.2). Values and
// pure functions.
#pragma once

#include <string>
#include <string_view>

namespace talon::server {

struct ApiError {
  int status = 400;
  std::string type = "invalid_request_error";
  std::string code = {};
  std::string param = {};  // path of the field, like "messages[2].content"; empty: none
  std::string message = {};
};

// A request that breaks a rule: status 400, or 404 for `model_not_found`.
ApiError bad_request(std::string_view code, std::string_view param, std::string message);

// Nothing more is taken for now: status 429.
ApiError queue_full_error();

// {"error": {message, type, param, code}}, one line, always valid UTF-8.
std::string error_body(const ApiError& error);

// The frame that ends a stream after its headers are out.
std::string error_frame(const ApiError& error);

}  // namespace talon::server
