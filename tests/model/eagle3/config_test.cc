// A small head's config.json with one key changed a test.
#include "model/eagle3/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "base/json.h"

namespace talon {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::StartsWith;

Json small() {
  return parse_json(R"({"architectures":["LlamaForCausalLMEagle3"],"hidden_size":64,
      "intermediate_size":128,"num_attention_heads":4,"num_key_value_heads":2,"head_dim":32,
      "vocab_size":320,"rms_norm_eps":1e-5,"rope_theta":5000.0,"max_position_embeddings":4096,
      "eagle_config":{"eagle_aux_hidden_state_layer_ids":[2,5,7],"use_aux_hidden_state":true},
      "fc_norm":true,"norm_output":true})")
      .value();
}

Eagle3Config parsed(const Json& json) { return parse_eagle3_config(json.dump()).value(); }

std::string message_of(const Json& json) {
  const Result<Eagle3Config> result = parse_eagle3_config(json.dump());
  return result.ok() ? "" : result.message();
}

std::string message_with(const std::string& key, const Json& value) {
  Json json = small();
  json[Json::json_pointer("/" + key)] = value;
  return message_of(json);
}

TEST(Eagle3ConfigTest, ReadsEveryNumberOfTheHead) {
  const Eagle3Config config = parsed(small());

  EXPECT_EQ(config.hidden_size, 64);
  EXPECT_EQ(config.target_hidden_size, 64);
  EXPECT_EQ(config.intermediate_size, 128);
  EXPECT_EQ(config.num_heads, 4);
  EXPECT_EQ(config.num_kv_heads, 2);
  EXPECT_EQ(config.head_dim, 32);
  EXPECT_EQ(config.rope_theta, 5000.0);
  EXPECT_EQ(config.max_positions, 4096);
  EXPECT_FLOAT_EQ(config.rms_norm_eps, 1e-5F);
  EXPECT_EQ(config.vocab_size, 320);
  EXPECT_EQ(config.draft_vocab_size, 320);
  EXPECT_TRUE(config.fc_norm);
  EXPECT_TRUE(config.norm_output);
  EXPECT_FALSE(config.norm_before_residual);
  EXPECT_THAT(config.taps, ElementsAre(2, 5, 7));
  EXPECT_EQ(config.num_taps, 3);
  EXPECT_THAT(config.unknown_keys, IsEmpty());
}

TEST(Eagle3ConfigTest, AbsentKeysHaveTheDefaultsOfLlama) {
  const Eagle3Config config = parse_eagle3_config(R"({
      "architectures":["LlamaForCausalLMEagle3"],"hidden_size":64,"intermediate_size":128,
      "num_attention_heads":4,"vocab_size":320})")
                                  .value();

  EXPECT_EQ(config.num_kv_heads, 4);
  EXPECT_EQ(config.head_dim, 16);
  EXPECT_EQ(config.rope_theta, 10000.0);
  EXPECT_EQ(config.max_positions, 8192);
  EXPECT_FALSE(config.fc_norm);
  EXPECT_FALSE(config.norm_output);
  EXPECT_THAT(config.taps, IsEmpty());
  EXPECT_EQ(config.num_taps, 3);
}

TEST(Eagle3ConfigTest, ReadsAHeadOfTheSpeculatorsPackage) {
  const Eagle3Config config = parse_eagle3_config(R"({
      "architectures":["Eagle3Speculator"],"speculators_model_type":"eagle3",
      "speculators_config":{"algorithm":"eagle3"},"draft_vocab_size":100,
      "norm_before_residual":true,"eagle_aux_hidden_state_layer_ids":[1,4,9],
      "transformer_layer_config":{"hidden_size":64,"intermediate_size":128,
        "num_attention_heads":4,"num_key_value_heads":2,"vocab_size":320,"model_type":"llama"}})")
                                  .value();

  EXPECT_EQ(config.hidden_size, 64);
  EXPECT_EQ(config.vocab_size, 320);
  EXPECT_EQ(config.draft_vocab_size, 100);
  EXPECT_TRUE(config.norm_before_residual);
  EXPECT_THAT(config.taps, ElementsAre(1, 4, 9));
  EXPECT_THAT(config.unknown_keys, IsEmpty());
}

TEST(Eagle3ConfigTest, TapsStatedWithoutTheFlagAreTaken) {
  Json json = small();
  json["eagle_config"].erase("use_aux_hidden_state");

  EXPECT_THAT(parsed(json).taps, ElementsAre(2, 5, 7));
}

TEST(Eagle3ConfigTest, NeighbouringTapsMayBeEqual) {
  Json json = small();
  json["eagle_config"]["eagle_aux_hidden_state_layer_ids"] = {2, 3, 3};

  EXPECT_THAT(parsed(json).taps, ElementsAre(2, 3, 3));
}

TEST(Eagle3ConfigTest, ReportsUnknownKeysByTheirPath) {
  Json json = small();
  json["new_key"] = 1;
  json["eagle_config"]["other"] = 2;

  EXPECT_THAT(parsed(json).unknown_keys,
              testing::UnorderedElementsAre("new_key", "eagle_config.other"));
}

TEST(Eagle3ConfigTest, RefusesAValueThatNothingImplements) {
  const std::vector<std::pair<std::string, Json>> cases = {
      {"hidden_act", "gelu"},   {"num_hidden_layers", 2},
      {"attention_bias", true}, {"mlp_bias", true},
      {"qkv_bias", true},       {"logit_scale", 0.5},
      {"is_causal", false},     {"tie_word_embeddings", true},
      {"norm_before_fc", true}, {"input_norm", true},
      {"kv_lora_rank", 512},    {"mask_token_id", 3},
      {"ptd_token_id", 3},      {"pard_token", 3},
      {"sliding_window", 512},  {"use_sliding_window", true}};
  for (const auto& [key, value] : cases) {
    EXPECT_THAT(message_with(key, value),
                StartsWith(key + ": " + value.dump() + " is not implemented, only "));
  }
}

TEST(Eagle3ConfigTest, AWindowThatIsSwitchedOffIsNone) {
  Json json = small();
  json["use_sliding_window"] = false;
  json["sliding_window"] = 512;

  EXPECT_EQ(message_of(json), "");
}

TEST(Eagle3ConfigTest, RefusesARopeScaling) {
  EXPECT_EQ(message_with("rope_scaling", {{"rope_type", "llama3"}}),
            "rope_scaling.rope_type: \"llama3\" is not implemented, only \"default\" is");
}

TEST(Eagle3ConfigTest, RefusesTapsSwitchedOff) {
  EXPECT_EQ(message_with("eagle_config/use_aux_hidden_state", false),
            "eagle_config.use_aux_hidden_state: false is not implemented, only true is");
}

TEST(Eagle3ConfigTest, RefusesTapsThatDescend) {
  EXPECT_EQ(message_with("eagle_config/eagle_aux_hidden_state_layer_ids", {2, 7, 5}),
            "eagle_config.eagle_aux_hidden_state_layer_ids: layer 5 after layer 7: taps may not "
            "descend");
}

TEST(Eagle3ConfigTest, RefusesATapOfTheLastLayersOutput) {
  EXPECT_EQ(message_with("eagle_config/eagle_aux_hidden_state_layer_ids", {2, 5, -1}),
            "eagle_config.eagle_aux_hidden_state_layer_ids: -1 is not in 0..1023");
}

TEST(Eagle3ConfigTest, RefusesACountThatDiffersFromTheTaps) {
  EXPECT_EQ(message_with("num_aux_hidden_states", 4),
            "num_aux_hidden_states: 4 differs from the 3 taps of "
            "eagle_config.eagle_aux_hidden_state_layer_ids");
}

TEST(Eagle3ConfigTest, RefusesADraftVocabularyOverTheVocabulary) {
  EXPECT_EQ(message_with("draft_vocab_size", 321), "draft_vocab_size: 321 is over vocab_size, 320");
}

TEST(Eagle3ConfigTest, RefusesHeadsThatDoNotFit) {
  EXPECT_EQ(message_with("num_key_value_heads", 3),
            "num_key_value_heads: 3 does not divide num_attention_heads, 4");
  EXPECT_EQ(message_with("head_dim", 15), "head_dim: 15 is not an even size");
}

TEST(Eagle3ConfigTest, RefusesOtherArchitectures) {
  EXPECT_EQ(message_with("architectures", {"Eagle3DeepseekV2ForCausalLM"}),
            "architectures: \"Eagle3DeepseekV2ForCausalLM\" is not implemented, only "
            "LlamaForCausalLMEagle3 and Eagle3Speculator are");
}

TEST(Eagle3ConfigTest, NamesAMissingKey) {
  for (const char* key :
       {"hidden_size", "intermediate_size", "num_attention_heads", "vocab_size"}) {
    Json json = small();
    json.erase(key);
    EXPECT_EQ(message_of(json), std::string(key) + ": missing");
  }
}

TEST(Eagle3ConfigTest, NamesAMissingLayerOfTheSpeculatorsPackage) {
  EXPECT_EQ(message_of({{"architectures", {"Eagle3Speculator"}}}),
            "transformer_layer_config: missing");
}

TEST(Eagle3ConfigTest, DefaultTapsAreThoseOfTheReference) {
  EXPECT_THAT(default_taps(60), ElementsAre(2, 30, 57));
}

}  // namespace
}  // namespace talon
