// Heads, chunks and request ids as bytes.
#include "server/http_wire.h"

#include <gtest/gtest.h>

#include <string>

namespace talon::server {
namespace {

TEST(HttpWireTest, AHeadSaysHowTheBodyEnds) {
  const HttpReply reply{.status = 429, .headers = {{"retry-after", "1"}}};

  EXPECT_EQ(reply_head(reply, "id-1", {.length = 12}),
            "HTTP/1.1 429 Too Many Requests\r\nx-request-id: id-1\r\n"
            "content-type: application/json\r\nretry-after: 1\r\ncontent-length: 12\r\n"
            "connection: keep-alive\r\n\r\n");
  EXPECT_EQ(reply_head({.content_type = ""}, "x", {.is_last = true, .is_chunked = true}),
            "HTTP/1.1 200 OK\r\nx-request-id: x\r\ntransfer-encoding: chunked\r\n"
            "connection: close\r\n\r\n");
}

TEST(HttpWireTest, ChunksCarryTheirLength) {
  EXPECT_EQ(chunk("hello world, hello"), "12\r\nhello world, hello\r\n");
  EXPECT_EQ(chunk(""), "");
}

TEST(HttpWireTest, RequestIdsAreTheClientsIfTheyAreUsable) {
  EXPECT_EQ(request_id("abc-1"), "abc-1");
  EXPECT_EQ(request_id(std::string(128, 'x')), std::string(128, 'x'));
  for (const std::string& bad : {std::string(), std::string(129, 'x'), std::string("a b"),
                                 std::string("a\nb"), std::string("\xC3\xA9")}) {
    EXPECT_EQ(request_id(bad).size(), 32U) << bad;
  }
  EXPECT_NE(request_id(""), request_id(""));
}

TEST(HttpWireTest, FaultsOfHttpHaveTheirStatus) {
  EXPECT_EQ(read_timeout_error().status, 408);
  EXPECT_EQ(body_too_large_error(10).status, 413);
  EXPECT_EQ(header_too_large_error(10).status, 431);
  EXPECT_EQ(malformed_http_error("what").status, 400);
  EXPECT_EQ(lower_case("X-Request-Id"), "x-request-id");
}

}  // namespace
}  // namespace talon::server
