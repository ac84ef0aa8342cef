// Names of models and limits of tokens. Refusals stand in the table of completion_request_test.cc.
#include "server/api/generation_fields.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "support/api_fixture.h"

namespace talon::server {
namespace {

TEST(GenerationFieldsTest, AModelHasSeveralNamesAndASlashAtItsEndIsNothing) {
  const ApiContext context = test::api_context();
  for (const char* name : {"tiny", "tiny/", "/models/tiny", "/models/tiny/"}) {
    const Json object = {{"model", name}};
    std::optional<ApiError> fault;
    Fields fields(object, "", fault);
    std::string model;

    read_model(fields, context, model);

    EXPECT_FALSE(fault.has_value()) << name;
  }
}

TEST(GenerationFieldsTest, WithoutALimitTheAnswerHasTheRestOfTheContext) {
  const Json object = Json::object();
  std::optional<ApiError> fault;
  Fields fields(object, "", fault);
  GenerationCall call;
  call.prompts = {std::vector<TokenId>(200)};

  apply_limits(fields, test::api_context(), "messages", std::nullopt, call);

  EXPECT_EQ(call.settings.max_tokens, 56);
}

TEST(GenerationFieldsTest, TheLastPlaceOfTheContextIsForTheAnswer) {
  const Json object = Json::object();
  for (const auto& [length, is_taken] : {std::pair{size_t{255}, true}, {size_t{256}, false}}) {
    std::optional<ApiError> fault;
    Fields fields(object, "", fault);
    GenerationCall call;
    call.prompts = {std::vector<TokenId>(length)};

    apply_limits(fields, test::api_context(), "messages", 5, call);

    EXPECT_EQ(!fault.has_value(), is_taken) << length;
  }
}

TEST(GenerationFieldsTest, StopIsAStringOrAList) {
  const Json object = {{"one", "a"}, {"two", {"b", "c"}}};
  std::optional<ApiError> fault;
  Fields fields(object, "", fault);
  std::vector<std::string> stops;

  read_stop(fields, "one", stops);
  read_stop(fields, "two", stops);

  EXPECT_EQ(stops, (std::vector<std::string>{"a", "b", "c"}));
}

}  // namespace
}  // namespace talon::server
