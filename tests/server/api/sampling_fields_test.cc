// Values of a request go over those of the model, and those over OpenAI's. Refusals stand in the
// table of completion_request_test.cc.
#include "server/api/sampling_fields.h"

#include <gtest/gtest.h>

#include <limits>
#include <optional>

#include "support/api_fixture.h"

namespace talon::server {
namespace {

SamplingSettings read(const char* body, const ApiContext& context) {
  const Json object = parse_json(body).value();
  std::optional<ApiError> fault;
  Fields fields(object, "", fault);
  SamplingSettings settings = read_sampling(fields, context, {.seed = 5});
  EXPECT_FALSE(fault.has_value()) << fault->message;
  return settings;
}

TEST(SamplingFieldsTest, TheModelsDefaultsHoldUnlessTheRequestSaysOtherwise) {
  ApiContext context = test::api_context();
  context.defaults.top_p = 0.95F;
  context.defaults.top_k = 40;

  const SamplingSettings settings = read(R"({"top_k": -1, "min_p": 0.25})", context);

  EXPECT_EQ(settings.temperature, 1.0F);
  EXPECT_EQ(settings.top_p, 0.95F);
  EXPECT_EQ(settings.top_k, -1);
  EXPECT_EQ(settings.min_p, 0.25F);
  EXPECT_EQ(settings.seed, 5);
}

TEST(SamplingFieldsTest, AnyInt64IsASeed) {
  EXPECT_EQ(read(R"({"seed": -9223372036854775808})", test::api_context()).seed,
            std::numeric_limits<int64_t>::min());
}

TEST(SamplingFieldsTest, BiasesComeByIdInDecimal) {
  const SamplingSettings settings =
      read(R"({"logit_bias": {"50": -100, "7": 1.5}})", test::api_context());

  ASSERT_EQ(settings.logit_bias.size(), 2U);
  EXPECT_EQ(settings.logit_bias[0].token, TokenId{50});
  EXPECT_EQ(settings.logit_bias[0].bias, -100.0F);
  EXPECT_EQ(settings.logit_bias[1].token, TokenId{7});
  EXPECT_EQ(settings.logit_bias[1].bias, 1.5F);
}

}  // namespace
}  // namespace talon::server
