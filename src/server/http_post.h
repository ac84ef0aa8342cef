// One POST over plain HTTP, for a thread that may wait: what tells others of this server.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace talon::server {

struct HttpUrl {
  std::string host{};
  uint16_t port = 80;
  std::string path = "/";  // with the query
};

// http://host[:port][/path]; a message says what is wrong. No user, no https.
Result<HttpUrl> parse_http_url(std::string_view text);

struct PostRequest {
  HttpUrl url{};
  std::string content_type = "application/json";
  std::string body{};
  std::chrono::milliseconds timeout{10'000};  // for all of it
};

// The status of the answer, whose body is not kept; a message if there was none in time.
Result<int> http_post(const PostRequest& request);

}  // namespace talon::server
