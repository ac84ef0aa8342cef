// The tiny model's config.json with one key changed a test. Messages name the key by its path.
// Covers: model/config_reader model/quantisation_config model/model_identity
#include "model/minimax_m3/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "model/model_identity.h"
#include "support/config_json.h"
#include "support/quantise.h"
#include "support/tiny_model.h"

namespace talon {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

Json tiny() { return parse_json(test::m3_config_text(test::tiny_m3_config())).value(); }

M3Config parsed(const Json& json) { return parse_m3_config(json.dump()).value(); }

std::string message_of(const Json& json) {
  const Result<M3Config> result = parse_m3_config(json.dump());
  return result.ok() ? "" : result.message();
}

// The message with one key of text_config set to a value.
std::string message_with(const std::string& key, const Json& value) {
  Json json = tiny();
  json[Json::json_pointer("/text_config/" + key)] = value;
  return message_of(json);
}

std::string message_without(const std::string& key) {
  Json json = tiny();
  json["text_config"].erase(key);
  return message_of(json);
}

TEST(M3ConfigTest, ReadsEveryNumberOfTheModel) {
  const M3Config config = parsed(tiny());

  EXPECT_EQ(config.num_layers, 6);
  EXPECT_EQ(config.hidden_size, 64);
  EXPECT_EQ(config.num_heads, 4);
  EXPECT_EQ(config.num_kv_heads, 2);
  EXPECT_EQ(config.head_dim, 32);
  EXPECT_EQ(config.rotary_dim, 16);
  EXPECT_EQ(config.rope_theta, 5e6);
  EXPECT_EQ(config.vocab_size, 320);
  EXPECT_EQ(config.max_positions, 8192);
  EXPECT_FLOAT_EQ(config.rms_norm_eps, 1e-6F);
  EXPECT_FLOAT_EQ(config.activation.alpha, 1.702F);
  EXPECT_FLOAT_EQ(config.activation.limit, 7.0F);
  EXPECT_THAT(config.is_moe, ElementsAre(false, true, true, true, true, true));
  EXPECT_EQ(config.is_sparse, config.is_moe);
  EXPECT_EQ(config.dense_width, 128);
  EXPECT_EQ(config.num_experts, 8);
  EXPECT_EQ(config.experts_per_token, 2);
  EXPECT_EQ(config.expert_width, 64);
  EXPECT_EQ(config.shared_width, 64);
  EXPECT_EQ(config.routed_scaling_factor, 2.0F);
  EXPECT_EQ(config.num_index_heads, 2);
  EXPECT_EQ(config.index_dim, 32);
  EXPECT_EQ(config.topk_blocks, 2);
  EXPECT_EQ(config.num_local_blocks, 1);
  EXPECT_EQ(config.quant_method, "");
  EXPECT_THAT(config.unknown_keys, IsEmpty());
}

TEST(M3ConfigTest, SwigluConstantsHaveTheDefaultsOfTheReference) {
  Json json = tiny();
  json["text_config"].erase("swiglu_alpha");
  json["text_config"].erase("swiglu_limit");

  const M3Config config = parsed(json);

  EXPECT_FLOAT_EQ(config.activation.alpha, 1.702F);
  EXPECT_FLOAT_EQ(config.activation.limit, 7.0F);
}

TEST(M3ConfigTest, WithoutASharedExpertItsWidthIsZero) {
  Json json = tiny();
  json["text_config"]["n_shared_experts"] = 0;

  EXPECT_EQ(parsed(json).shared_width, 0);
}

TEST(M3ConfigTest, WithoutSparseAttentionNoLayerIsSparse) {
  Json json = tiny();
  json["text_config"]["sparse_attention_config"]["use_sparse_attention"] = false;

  EXPECT_THAT(parsed(json).is_sparse, ElementsAre(false, false, false, false, false, false));
}

TEST(M3ConfigTest, RotaryDimMayFollowFromTheFactorAlone) {
  Json json = tiny();
  json["text_config"].erase("rotary_dim");

  EXPECT_EQ(parsed(json).rotary_dim, 16);
}

TEST(M3ConfigTest, ReadsTheRopeKeysFromTheirNewPlace) {
  Json json = tiny();
  json["text_config"].erase("rope_theta");
  json["text_config"].erase("partial_rotary_factor");
  json["text_config"]["rope_parameters"] = {
      {"rope_type", "default"}, {"rope_theta", 12345.0}, {"partial_rotary_factor", 0.5}};

  EXPECT_EQ(parsed(json).rope_theta, 12345.0);
}

TEST(M3ConfigTest, ReadsEndTokensAsOneOrAsAList) {
  Json json = tiny();
  json["eos_token_id"] = 7;
  EXPECT_THAT(parsed(json).eos_token_ids, ElementsAre(7));

  json["eos_token_id"] = {7, 9};
  EXPECT_THAT(parsed(json).eos_token_ids, ElementsAre(7, 9));
}

TEST(M3ConfigTest, IgnoresBookkeepingAndTheVisionPart) {
  Json json = tiny();
  json["transformers_version"] = "5.12.0";
  json["vision_config"] = {{"anything", 1}};
  json["image_token_index"] = 200025;
  json["text_config"]["num_mtp_modules"] = 7;
  json["text_config"]["num_nextn_predict_layers"] = 1;
  json["text_config"]["initializer_range"] = 0.02;
  json["text_config"]["sparse_attention_config"]["index_topk_freq"] = 4;

  EXPECT_THAT(parsed(json).unknown_keys, IsEmpty());
}

TEST(M3ConfigTest, ReportsUnknownKeysByTheirPath) {
  Json json = tiny();
  json["new_top"] = 1;
  json["text_config"]["new_text"] = nullptr;
  json["text_config"]["sparse_attention_config"]["new_sparse"] = "x";

  EXPECT_THAT(parsed(json).unknown_keys,
              testing::UnorderedElementsAre("new_top", "text_config.new_text",
                                            "text_config.sparse_attention_config.new_sparse"));
}

TEST(M3ConfigTest, RefusesAValueThatNothingImplements) {
  const std::vector<std::pair<std::string, Json>> cases = {
      {"use_gemma_norm", false},
      {"use_qk_norm", false},
      {"qk_norm_type", "per_layer"},
      {"attention_output_gate", true},
      {"attention_bias", true},
      {"sliding_window", 4096},
      {"hidden_act", "silu"},
      {"swiglu_beta", 0.5},
      {"scoring_func", "softmax"},
      {"use_routing_bias", false},
      {"norm_topk_prob", false},
      {"n_group", 8},
      {"tie_word_embeddings", true},
      {"sparse_attention_config/sparse_block_size", 64},
      {"sparse_attention_config/sparse_init_block", 1},
      {"sparse_attention_config/sparse_score_type", "mean"},
      {"sparse_attention_config/use_index_cache", true}};
  for (const auto& [key, value] : cases) {
    std::string path = "text_config." + key;
    std::replace(path.begin(), path.end(), '/', '.');
    EXPECT_THAT(message_with(key, value),
                StartsWith(path + ": " + value.dump() + " is not implemented, only "));
  }
}

TEST(M3ConfigTest, SwigluBetaMayBeStatedAsOne) { EXPECT_EQ(message_with("swiglu_beta", 1), ""); }

TEST(M3ConfigTest, RefusesARopeScaling) {
  EXPECT_EQ(message_with("rope_scaling", {{"rope_type", "yarn"}, {"factor", 4.0}}),
            "text_config.rope_scaling.rope_type: \"yarn\" is not implemented, only \"default\" is");
  EXPECT_EQ(message_with("rope_scaling", {{"factor", 4.0}}),
            "text_config.rope_scaling.factor: not implemented");
}

TEST(M3ConfigTest, NamesAMissingKey) {
  for (const char* key :
       {"num_hidden_layers", "hidden_size", "num_attention_heads", "num_key_value_heads",
        "head_dim", "vocab_size", "max_position_embeddings", "rms_norm_eps", "rope_theta",
        "moe_layer_freq", "dense_intermediate_size", "num_local_experts", "num_experts_per_tok",
        "intermediate_size", "shared_intermediate_size"}) {
    EXPECT_EQ(message_without(key), std::string("text_config.") + key + ": missing");
  }
}

TEST(M3ConfigTest, RefusesSizesOutOfRange) {
  EXPECT_EQ(message_with("hidden_size", 0), "text_config.hidden_size: 0 is not in 1..16777216");
  EXPECT_EQ(message_with("hidden_size", -5), "text_config.hidden_size: -5 is not in 1..16777216");
  EXPECT_EQ(message_with("hidden_size", int64_t{1} << 40),
            "text_config.hidden_size: 1099511627776 is not in 1..16777216");
  EXPECT_EQ(message_with("num_hidden_layers", 100000),
            "text_config.num_hidden_layers: 100000 is not in 1..1024");
  EXPECT_EQ(message_with("num_experts_per_tok", 9),
            "text_config.num_experts_per_tok: 9 is not in 1..8");
  EXPECT_EQ(message_with("n_shared_experts", 2), "text_config.n_shared_experts: 2 is not in 0..1");
}

TEST(M3ConfigTest, RefusesValuesOfAnotherType) {
  EXPECT_EQ(message_with("hidden_size", "64"), "text_config.hidden_size: not an integer");
  EXPECT_EQ(message_with("hidden_size", 64.5), "text_config.hidden_size: not an integer");
  EXPECT_EQ(message_with("rms_norm_eps", 0), "text_config.rms_norm_eps: not a number over 0");
  EXPECT_EQ(message_with("rms_norm_eps", "x"), "text_config.rms_norm_eps: not a number over 0");
  EXPECT_EQ(message_with("sparse_attention_config", 3),
            "text_config.sparse_attention_config: not an object");
  EXPECT_EQ(message_with("sparse_attention_config/use_sparse_attention", 1),
            "text_config.sparse_attention_config.use_sparse_attention: not true or false");
}

TEST(M3ConfigTest, RefusesALayerListOfAnotherLength) {
  EXPECT_EQ(message_with("moe_layer_freq", {0, 1}),
            "text_config.moe_layer_freq: not a list of 6 entries, one a layer");
  EXPECT_EQ(message_with("sparse_attention_config/sparse_attention_freq", {0, 1, 1, 1, 1, 2}),
            "text_config.sparse_attention_config.sparse_attention_freq: 2 is not in 0..1");
}

TEST(M3ConfigTest, RefusesHeadsThatDoNotDivide) {
  EXPECT_EQ(message_with("num_key_value_heads", 3),
            "text_config.num_key_value_heads: 3 does not divide num_attention_heads, 4");
}

TEST(M3ConfigTest, RefusesARotaryDimThatDoesNotFit) {
  EXPECT_EQ(message_with("rotary_dim", 15),
            "text_config.rotary_dim: 15 is odd, or over head_dim, 32");
  EXPECT_EQ(message_with("rotary_dim", 64),
            "text_config.rotary_dim: 64 is odd, or over head_dim, 32");
  EXPECT_EQ(message_with("rotary_dim", 8),
            "text_config.partial_rotary_factor: times head_dim is not rotary_dim, 8");
}

TEST(M3ConfigTest, RefusesAnIndexBranchThatDoesNotFit) {
  EXPECT_EQ(message_with("sparse_attention_config/sparse_num_index_heads", 1),
            "text_config.sparse_attention_config.sparse_num_index_heads: 1 is not "
            "num_key_value_heads, 2");
  EXPECT_EQ(message_with("sparse_attention_config/sparse_index_dim", 8),
            "text_config.sparse_attention_config.sparse_index_dim: 8 is below rotary_dim, 16");
  EXPECT_EQ(message_with("sparse_attention_config/sparse_local_block", 3),
            "text_config.sparse_attention_config.sparse_local_block: 3 blocks are more than "
            "sparse_topk_blocks, 2");
}

TEST(M3ConfigTest, RefusesIndexValues) {
  EXPECT_EQ(message_with("sparse_attention_config/sparse_disable_index_value", {0, 1, 0, 1, 1, 1}),
            "text_config.sparse_attention_config.sparse_disable_index_value: 0 for sparse layer 2, "
            "and index values are not implemented");
}

TEST(M3ConfigTest, RefusesAnotherArchitecture) {
  Json json = tiny();
  json["architectures"] = {"LlamaForCausalLM"};
  json["model_type"] = "llama";

  EXPECT_THAT(message_of(json), StartsWith("architectures: not MiniMaxM3Sparse"));
}

TEST(M3ConfigTest, TheModelTypeAloneIsEnough) {
  Json json = tiny();
  json.erase("architectures");

  EXPECT_EQ(message_of(json), "");
}

TEST(M3ConfigTest, RefusesATextModelAlone) {
  Json json = tiny();
  json.erase("text_config");

  EXPECT_EQ(message_of(json),
            "text_config: missing; the config.json of a text model alone is not supported");
}

TEST(M3ConfigTest, RefusesWhatIsNoJsonObject) {
  EXPECT_THAT(parse_m3_config("{").message(), StartsWith("malformed JSON"));
  EXPECT_EQ(parse_m3_config("[1]").message(), "not a JSON object");
}

TEST(M3ConfigTest, KnowsTheFourQuantisationSchemes) {
  const std::vector<std::pair<test::QuantFormat, std::string>> cases = {
      {test::QuantFormat::kMxfp8, "mxfp8"},
      {test::QuantFormat::kMxfp4, "quark"},
      {test::QuantFormat::kFp8Channel, "fp8"},
      {test::QuantFormat::kFp8Block, "fp8"}};
  const auto sizes = test::tiny_m3_config();
  for (const auto& [format, method] : cases) {
    const std::string text =
        test::m3_config_text(sizes, test::quantization_config(format, sizes.moe_layers));
    EXPECT_EQ(parse_m3_config(text).value().quant_method, method);
  }
}

TEST(M3ConfigTest, RefusesAnUnknownQuantisation) {
  Json json = tiny();
  json["quantization_config"] = {{"quant_method", "awq"}};

  EXPECT_THAT(message_of(json),
              StartsWith("quantization_config.quant_method: \"awq\" is not implemented"));
}

TEST(M3ConfigTest, RefusesAnUnknownBlockOfScales) {
  Json json = tiny();
  json["quantization_config"] = {{"quant_method", "mxfp8"}, {"weight_block_size", {1, 16}}};

  EXPECT_EQ(message_of(json),
            "quantization_config.weight_block_size: [1,16] is not implemented, only [1,32] is");
}

TEST(M3ConfigTest, RefusesAnotherTypeOfQuark) {
  Json json = tiny();
  json["quantization_config"] = {
      {"quant_method", "quark"},
      {"global_quant_config", {{"weight", {{"dtype", "int4"}, {"group_size", 32}}}}}};

  EXPECT_EQ(message_of(json),
            "quantization_config.global_quant_config.weight.dtype: \"int4\" is not implemented, "
            "only \"fp4\" is");
}

TEST(ModelIdentityTest, ReadsArchitectureAndType) {
  const ModelIdentity identity =
      read_model_identity(R"({"architectures":["A","B"],"model_type":"t"})").value();

  EXPECT_EQ(identity.architecture, "A");
  EXPECT_EQ(identity.model_type, "t");
}

TEST(ModelIdentityTest, WhatIsAbsentOrOfAnotherTypeIsEmpty) {
  const ModelIdentity identity =
      read_model_identity(R"({"architectures":[],"model_type":3})").value();

  EXPECT_EQ(identity.architecture, "");
  EXPECT_EQ(identity.model_type, "");
}

TEST(ModelIdentityTest, KnowsHeadsByTheirArchitecture) {
  EXPECT_TRUE(is_eagle3({.architecture = "LlamaForCausalLMEagle3", .model_type = "llama"}));
  EXPECT_FALSE(is_eagle3({.architecture = "LlamaForCausalLM", .model_type = "llama"}));
}

}  // namespace
}  // namespace talon
