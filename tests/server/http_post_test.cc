// Addresses, and POSTs to servers that answer, refuse, hang or are not there.
#include "server/http_post.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "support/http_sink.h"

namespace talon::server {
namespace {

using testing::HasSubstr;

HttpUrl url_of(const test::HttpSink& sink, const std::string& path) {
  return {.host = "127.0.0.1", .port = sink.port(), .path = path};
}

TEST(HttpPostTest, AddressesHaveHostPortAndPath) {
  const HttpUrl all = parse_http_url("http://collector:4318/v1/traces?x=1").value();
  EXPECT_EQ(all.host, "collector");
  EXPECT_EQ(all.port, 4318);
  EXPECT_EQ(all.path, "/v1/traces?x=1");
  const HttpUrl short_one = parse_http_url("http://a").value();
  EXPECT_EQ(short_one.port, 80);
  EXPECT_EQ(short_one.path, "/");
  EXPECT_EQ(parse_http_url("http://[::1]:99/x").value().host, "::1");
  EXPECT_EQ(parse_http_url("http://[::1]:99/x").value().port, 99);
  for (const char* text :
       {"", "collector:4318", "https://a", "http://", "http://:80", "http://a:", "http://a:0",
        "http://a:65536", "http://a:8x", "http://u@a", "http://a/b c", "http://[::1"}) {
    EXPECT_FALSE(parse_http_url(text).ok()) << text;
  }
}

TEST(HttpPostTest, TheStatusOfTheAnswerComesBack) {
  test::HttpSink good;
  test::HttpSink bad(503);

  EXPECT_EQ(http_post({.url = url_of(good, "/a/b"), .body = "the body"}).value(), 200);
  EXPECT_EQ(http_post({.url = url_of(bad, "/")}).value(), 503);

  EXPECT_THAT(good.bodies(), testing::ElementsAre("the body"));
  EXPECT_EQ(good.last_path(), "/a/b");
}

TEST(HttpPostTest, NobodyThereAndNoAnswerAreMessages) {
  uint16_t port = 0;
  {
    const test::HttpSink gone;
    port = gone.port();
  }
  test::HttpSink silent(0);

  const Result<int> refused = http_post({.url = {.host = "127.0.0.1", .port = port}});
  const Result<int> late =
      http_post({.url = url_of(silent, "/"), .timeout = std::chrono::milliseconds(50)});

  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.message(), HasSubstr("connect"));
  ASSERT_FALSE(late.ok());
  EXPECT_THAT(late.message(), HasSubstr("no answer in time"));
}

}  // namespace
}  // namespace talon::server
