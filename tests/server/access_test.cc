// Keys and origins: who is let in, and what a browser is told.
#include "server/access.h"

#include <gtest/gtest.h>

#include <string>

namespace talon::server {
namespace {

HttpRequest with(std::string name, std::string value) {
  return {.method = "GET", .path = "/", .headers = {{std::move(name), std::move(value)}}};
}

TEST(AccessTest, AnyOfTheKeysOpens) {
  const Access access({"first", "second"}, {});

  EXPECT_TRUE(access.has_key(with("authorization", "Bearer first")));
  EXPECT_TRUE(access.has_key(with("authorization", "bearer second")));
  EXPECT_TRUE(access.has_key(with("x-api-key", "second")));
  for (const char* wrong : {"Bearer firs", "Bearer firstt", "Bearer ", "Bearer firstfirst",
                            "Basic first", "first", ""}) {
    EXPECT_FALSE(access.has_key(with("authorization", wrong))) << wrong;
  }
  EXPECT_FALSE(access.has_key({}));
}

TEST(AccessTest, WithoutKeysEverybodyIsLetIn) {
  const Access access({}, {});

  EXPECT_TRUE(access.has_key({}));
  EXPECT_TRUE(access.has_key(with("authorization", "Bearer whatever")));
}

TEST(AccessTest, OnlyKnownOriginsMayRead) {
  const Access access({}, {"https://a.example"});

  const HttpHeaders known = access.cors_headers(with("origin", "https://a.example"));
  ASSERT_FALSE(known.empty());
  EXPECT_EQ(known.front().second, "https://a.example");
  EXPECT_TRUE(access.cors_headers(with("origin", "https://b.example")).empty());
  EXPECT_TRUE(access.cors_headers({}).empty());
  EXPECT_FALSE(Access({}, {"*"}).cors_headers(with("origin", "https://b.example")).empty());
}

TEST(AccessTest, APreflightIsTold) {
  HttpRequest request{
      .method = "OPTIONS",
      .headers = {{"origin", "https://a.example"}, {"access-control-request-method", "POST"}}};
  EXPECT_TRUE(Access::is_preflight(request));
  request.method = "POST";
  EXPECT_FALSE(Access::is_preflight(request));
}

}  // namespace
}  // namespace talon::server
