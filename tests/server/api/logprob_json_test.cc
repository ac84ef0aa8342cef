// The forms of the two routes, on byte tokens of the embedded tokenizer.
#include "server/api/logprob_json.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "support/api_fixture.h"

namespace talon::server {
namespace {

TokenId id_of(std::string_view bytes) { return *test::api_tokenizer().token_id(bytes); }

TEST(LogprobJsonTest, ChatShowsTextBytesAndTheLikeliest) {
  const std::vector<PositionLogprobs> positions = {
      {.chosen = {id_of("a"), -0.5F}, .top = {{id_of("b"), -0.25F}}}};

  EXPECT_EQ(chat_logprobs_json(test::api_tokenizer(), positions).dump(),
            R"({"content":[{"token":"a","logprob":-0.5,"bytes":[97],"top_logprobs":)"
            R"([{"token":"b","logprob":-0.25,"bytes":[98]}]}],"refusal":null})");
}

TEST(LogprobJsonTest, HalfACharacterIsShownAsBytes) {
  const std::vector<PositionLogprobs> positions = {
      {.chosen = {id_of("\xE2"), -std::numeric_limits<float>::infinity()}, .top = {}}};

  const Json entry = chat_logprobs_json(test::api_tokenizer(), positions).at("content").at(0);

  EXPECT_EQ(entry.at("token"), "bytes:\\xe2");
  EXPECT_EQ(entry.at("bytes"), Json::array({0xE2}));
  EXPECT_EQ(entry.at("logprob"), -9999.0);
}

TEST(LogprobJsonTest, CompletionsHaveListsAndTheChosenAmongTheLikeliest) {
  CompletionLogprobs logprobs(test::api_tokenizer());

  logprobs.add_first(id_of("a"), 0);
  logprobs.add({.chosen = {id_of("b"), -2.0F}, .top = {{id_of("c"), -1.0F}}}, 1);

  EXPECT_EQ(logprobs.take().dump(),
            R"({"tokens":["a","b"],"token_logprobs":[null,-2.0],)"
            R"("top_logprobs":[null,{"c":-1.0,"b":-2.0}],"text_offset":[0,1]})");
}

TEST(LogprobJsonTest, PromptsAreByIdAndBeginWithNull) {
  const std::vector<PositionLogprobs> positions = {{.chosen = {id_of("b"), -2.0F}, .top = {}}};

  const Json json = prompt_logprobs_json(test::api_tokenizer(), positions);

  ASSERT_EQ(json.size(), 2U);
  EXPECT_TRUE(json[0].is_null());
  EXPECT_EQ(json[1].at(std::to_string(id_of("b").value)).at("decoded_token"), "b");
}

}  // namespace
}  // namespace talon::server
