// Defaults of a model's generation_config.json.
#include "server/api/generation_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace talon::server {
namespace {

using testing::HasSubstr;

TEST(GenerationConfigTest, TakesWhatTheModelStates) {
  const SamplingSettings settings =
      read_generation_config(
          R"({"temperature":0.6,"top_p":0.95,"top_k":40,"repetition_penalty":1.1,"bos":1})")
          .value();

  EXPECT_FLOAT_EQ(settings.temperature, 0.6F);
  EXPECT_FLOAT_EQ(settings.top_p, 0.95F);
  EXPECT_EQ(settings.top_k, 40);
  EXPECT_FLOAT_EQ(settings.repetition_penalty, 1.1F);
}

TEST(GenerationConfigTest, WhatIsAbsentIsOpenAis) {
  const SamplingSettings settings = read_generation_config("{}").value();

  EXPECT_FLOAT_EQ(settings.temperature, 1.0F);
  EXPECT_FLOAT_EQ(settings.top_p, 1.0F);
  EXPECT_EQ(settings.top_k, 0);
}

TEST(GenerationConfigTest, AModelThatDoesNotSampleIsGreedy) {
  EXPECT_EQ(read_generation_config(R"({"do_sample":false,"temperature":0.7})").value().temperature,
            0.0F);
}

TEST(GenerationConfigTest, FaultsNameTheField) {
  for (const char* text : {R"({"temperature":3})", R"({"temperature":"hot"})"}) {
    const Result<SamplingSettings> result = read_generation_config(text);
    ASSERT_FALSE(result.ok()) << text;
    EXPECT_THAT(result.message(), HasSubstr("temperature"));
  }
  EXPECT_FALSE(read_generation_config("[]").ok());
}

}  // namespace
}  // namespace talon::server
