// Paths, methods and parameters of routes.
#include "server/router.h"

#include <gtest/gtest.h>

namespace talon::server {
namespace {

Router router() {
  Router router;
  router.add({.method = "GET", .path = "/health", .is_open = true});
  router.add({.method = "POST", .path = "/items"});
  router.add({.method = "GET", .path = "/items"});
  router.add({.method = "GET", .path = "/items/", .takes_rest = true});
  return router;
}

TEST(RouterTest, FindsByPathAndMethod) {
  const Router routes = router();

  EXPECT_TRUE(routes.find("GET", "/health").route->is_open);
  EXPECT_EQ(routes.find("POST", "/items").route->method, "POST");
  EXPECT_EQ(routes.find("HEAD", "/items").route->method, "GET");
  EXPECT_EQ(routes.find("GET", "/items/").route->path, "/items");
  EXPECT_EQ(routes.find("GET", "/items/a/b").route->path, "/items/");
}

TEST(RouterTest, AnotherMethodNamesThoseThatAre) {
  const Router::Match match = router().find("DELETE", "/items");

  EXPECT_EQ(match.route, nullptr);
  EXPECT_EQ(match.allowed, "POST, GET");
}

TEST(RouterTest, AnUnknownPathHasNoMethods) {
  for (const char* path : {"/", "/Health", "/healthy", "/health/x", ""}) {
    const Router::Match match = router().find("GET", path);
    EXPECT_EQ(match.route, nullptr) << path;
    EXPECT_EQ(match.allowed, "") << path;
  }
}

}  // namespace
}  // namespace talon::server
