#include "server/access.h"

#include <algorithm>
#include <cstdint>

namespace talon::server {
namespace {

bool is_equal_in_constant_time(std::string_view given, std::string_view key) {
  auto difference = static_cast<uint32_t>(given.size() ^ key.size());
  for (size_t i = 0; i < given.size(); ++i) {
    const char expected = key.empty() ? '\0' : key[i % key.size()];
    difference |= static_cast<unsigned char>(given[i] ^ expected);
  }
  return difference == 0;
}

std::string_view key_of(const HttpRequest& request) {
  constexpr std::string_view kBearer = "bearer ";
  const std::string_view authorization = request.header("authorization");
  const bool is_bearer =
      authorization.size() > kBearer.size() &&
      std::equal(kBearer.begin(), kBearer.end(), authorization.begin(), [](char a, char b) {
        return a == (b >= 'A' && b <= 'Z' ? static_cast<char>(b - 'A' + 'a') : b);
      });
  return is_bearer ? authorization.substr(kBearer.size()) : request.header("x-api-key");
}

}  // namespace

bool Access::has_key(const HttpRequest& request) const {
  const std::string_view given = key_of(request);
  bool found = keys_.empty();
  for (const std::string& key : keys_) {
    found = is_equal_in_constant_time(given, key) || found;
  }
  return found;
}

HttpHeaders Access::cors_headers(const HttpRequest& request) const {
  const std::string origin(request.header("origin"));
  const bool is_allowed = !origin.empty() && (std::ranges::count(origins_, "*") > 0 ||
                                              std::ranges::count(origins_, origin) > 0);
  if (!is_allowed) {
    return {};
  }
  return {{"access-control-allow-origin", origin},
          {"vary", "Origin"},
          {"access-control-expose-headers", "x-request-id, retry-after"}};
}

bool Access::is_preflight(const HttpRequest& request) {
  return request.method == "OPTIONS" && !request.header("origin").empty() &&
         !request.header("access-control-request-method").empty();
}

}  // namespace talon::server
