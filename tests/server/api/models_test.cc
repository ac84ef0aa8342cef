// Cards of the served names.
#include "server/api/models.h"

#include <gtest/gtest.h>

#include <string>
#include <variant>

#include "base/json.h"
#include "support/api_fixture.h"

namespace talon::server {
namespace {

TEST(ModelsTest, EveryServedNameHasACard) {
  const Json json = parse_json(models_body(test::api_context(), 99)).value();

  ASSERT_EQ(json.at("data").size(), 2U);
  EXPECT_EQ(json.at("data")[0].dump(),
            R"({"id":"tiny","object":"model","created":99,"owned_by":"talon",)"
            R"("max_model_len":256})");
}

TEST(ModelsTest, OneNameHasItsCardOrIsNotFound) {
  EXPECT_TRUE(std::holds_alternative<std::string>(model_body("tiny", test::api_context(), 99)));

  const auto missing = model_body("other", test::api_context(), 99);

  EXPECT_EQ(std::get<ApiError>(missing).status, 404);
}

}  // namespace
}  // namespace talon::server
