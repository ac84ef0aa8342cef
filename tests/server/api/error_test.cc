// The shape of errors, also when they repeat bytes that are no text.
#include "server/api/error.h"

#include <gtest/gtest.h>

namespace talon::server {
namespace {

TEST(ApiErrorTest, HasOpenAisShape) {
  EXPECT_EQ(error_body(bad_request("invalid_value", "n", "n is 0")),
            R"({"error":{"message":"n is 0","type":"invalid_request_error","param":"n",)"
            R"("code":"invalid_value"}})");
}

TEST(ApiErrorTest, WithoutFieldHasNullParam) {
  const ApiError error = {
      .status = 503, .type = "service_unavailable", .code = "loading", .message = "soon"};

  EXPECT_EQ(error_frame(error),
            "data: "
            R"({"error":{"message":"soon","type":"service_unavailable","param":null,)"
            R"("code":"loading"}})"
            "\n\n");
}

TEST(ApiErrorTest, StaysUtf8) {
  EXPECT_NE(error_body(bad_request("invalid_value", "", "a\xff")).find("a\xEF\xBF\xBD"),
            std::string::npos);
}

}  // namespace
}  // namespace talon::server
