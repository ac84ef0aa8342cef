#include "server/router.h"

#include <utility>

namespace talon::server {
namespace {

bool matches(const Route& route, std::string_view path) {
  return route.takes_rest ? path.starts_with(route.path) && path.size() > route.path.size()
                          : path == route.path;
}

}  // namespace

void Router::add(Route route) { routes_.push_back(std::move(route)); }

Router::Match Router::find(std::string_view method, std::string_view path) const {
  if (path.size() > 1 && path.ends_with('/')) {
    path.remove_suffix(1);
  }
  const std::string_view wanted = method == "HEAD" ? "GET" : method;
  Match match;
  for (const Route& route : routes_) {
    if (!matches(route, path)) {
      continue;
    }
    if (route.method == wanted) {
      match.route = &route;
      return match;
    }
    match.allowed += match.allowed.empty() ? "" : ", ";
    match.allowed += route.method;
  }
  return match;
}

}  // namespace talon::server
