// A request and an answer of HTTP as values, free of any library.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace talon::server {

using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

struct HttpRequest {
  std::string method{};
  std::string path{};     // without the query, as it came
  std::string query{};    // without '?'
  HttpHeaders headers{};  // names in lower case, in their order
  std::string body{};
  std::string peer{};  // address of the client
  std::string id{};    // the client's x-request-id if it is usable, else one of ours

  // The first header of this name (lower case); empty if there is none.
  std::string_view header(std::string_view name) const {
    for (const auto& [key, value] : headers) {
      if (key == name) {
        return value;
      }
    }
    return {};
  }
};

struct HttpReply {
  int status = 200;
  std::string content_type = "application/json";
  HttpHeaders headers{};
  std::string body{};
};

}  // namespace talon::server
