// Where the values of --hf-overrides go in a config.json, and what is no override.
#include "model/config_overrides.h"

#include <gtest/gtest.h>

#include <string>

#include "base/json.h"

namespace talon {
namespace {

constexpr const char* kConfig = R"({"model_type": "m", "eos_token_id": 1, "text_config": {
    "hidden_size": 8, "rope_parameters": {"rope_theta": 5.0, "rope_type": "default"},
    "sparse_attention_config": {"sparse_topk_blocks": 16}}})";

Json overridden(const std::string& overrides) {
  const Result<std::string> text = override_config(kConfig, overrides);
  EXPECT_TRUE(text.ok()) << text.message();
  return parse_json(text.ok() ? text.value() : "{}").value();
}

TEST(ConfigOverridesTest, AValueGoesWhereTheConfigHasIt) {
  EXPECT_EQ(overridden(R"({"eos_token_id": [2, 3]})").at("eos_token_id"), (Json{2, 3}));
  EXPECT_EQ(overridden(R"({"hidden_size": 16})").at("text_config").at("hidden_size"), 16);
  EXPECT_EQ(overridden(R"({"sparse_topk_blocks": 4, "use_index_cache": true})")
                .at("text_config")
                .at("sparse_attention_config"),
            (Json{{"sparse_topk_blocks", 4}, {"use_index_cache", true}}));
  EXPECT_EQ(overridden(R"({"no_such_key": 1})").at("text_config").at("no_such_key"), 1);
}

TEST(ConfigOverridesTest, ObjectsAreMerged) {
  const Json config = overridden(R"({"text_config": {"hidden_size": 4,
      "rope_parameters": {"rope_theta": 7.0}}})");

  EXPECT_EQ(config.at("text_config").at("hidden_size"), 4);
  EXPECT_EQ(config.at("text_config").at("rope_parameters"),
            (Json{{"rope_theta", 7.0}, {"rope_type", "default"}}));
  EXPECT_TRUE(config.at("text_config").contains("sparse_attention_config"));
}

TEST(ConfigOverridesTest, WithoutOverridesTheTextStays) {
  EXPECT_EQ(override_config(kConfig, "").value(), kConfig);
  EXPECT_EQ(override_config("{", R"({"a": 1})").value(), "{") << "its reader refuses it";
}

TEST(ConfigOverridesTest, WhatIsNoObjectIsRefused) {
  EXPECT_EQ(override_config(kConfig, "[1]").message(), "a JSON object is needed");
  EXPECT_FALSE(override_config(kConfig, R"({"a": 1, "a": 2})").ok());
  EXPECT_FALSE(override_config(kConfig, std::string(kMaxOverrideBytes + 1, ' ')).ok());
  EXPECT_EQ(override_config(kConfig, R"({"text_config": 5})").message(),
            "text_config: an object is needed");
}

}  // namespace
}  // namespace talon
