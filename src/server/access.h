// Who may ask: API keys, and pages of other origins (CORS). Immutable.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "server/http_types.h"

namespace talon::server {

class Access {
 public:
  // Without keys everybody may ask. `origins` may hold "*".
  Access(std::vector<std::string> keys, std::vector<std::string> origins)
      : keys_(std::move(keys)), origins_(std::move(origins)) {}

  // By `Authorization: Bearer KEY` or `x-api-key: KEY`. The time does not depend on how much of a
  // key is right.
  bool has_key(const HttpRequest& request) const;

  // The headers that let the page of the request's origin read the answer; none for a stranger's.
  HttpHeaders cors_headers(const HttpRequest& request) const;
  // Whether it is a browser's question before a request of another origin.
  static bool is_preflight(const HttpRequest& request);

 private:
  std::vector<std::string> keys_;
  std::vector<std::string> origins_;
};

}  // namespace talon::server
