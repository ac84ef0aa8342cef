// Which handler answers a request: by path and method. Paths may end in one parameter:
// "/v1/models/" with `takes_rest` matches everything below it. Filled once, then immutable.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "server/exchange.h"

namespace talon::server {

using RouteHandler = std::function<void(const std::shared_ptr<Exchange>&)>;

struct Route {
  std::string method{};
  std::string path{};
  RouteHandler handler{};
  bool is_open = false;     // no API key is asked for
  bool takes_rest = false;  // `path` ends in '/' and any rest follows
};

class Router {
 public:
  void add(Route route);

  struct Match {
    const Route* route = nullptr;  // null: no such path, or not with this method
    std::string allowed{};  // the methods of the path, ", " between them; empty: no such path
  };
  // HEAD finds what GET does.
  Match find(std::string_view method, std::string_view path) const;

 private:
  std::vector<Route> routes_;
};

}  // namespace talon::server
