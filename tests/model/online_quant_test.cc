// The object of --online-quant-config: what it says of a weight, and what is wrong with it.
#include "model/online_quant.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace talon {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::string_view kAttention = "model.layers.3.self_attn.q_proj.weight";
constexpr std::string_view kExpert = "model.layers.3.block_sparse_moe.experts.12.w1.weight";
constexpr std::string_view kShared =
    "model.layers.3.block_sparse_moe.shared_experts.up_proj.weight";
constexpr std::string_view kHead = "lm_head.weight";

OnlineQuantConfig parsed(std::string_view json) { return parse_online_quant(json).value(); }

std::string fault(std::string_view json) { return parse_online_quant(json).message(); }

// ATOM's recipe for MiniMax-M3: attention and dense layers.
TEST(OnlineQuantTest, TheRecipeLeavesExpertsAndHeadAsTheyAre) {
  const OnlineQuantConfig config = parsed(
      R"({"global_quant_config": "ptpc_fp8", "exclude_layer": ["lm_head", "model.embed_tokens",
          "vision_tower", "multi_modal_projector", "patch_merge_mlp", "*block_sparse_moe"]})");

  EXPECT_EQ(online_format(config, kAttention), WeightFormat::kFp8Channel);
  EXPECT_EQ(online_format(config, "model.layers.0.mlp.down_proj.weight"),
            WeightFormat::kFp8Channel);
  EXPECT_EQ(online_format(config, kExpert), std::nullopt);
  EXPECT_EQ(online_format(config, kShared), std::nullopt);
  EXPECT_EQ(online_format(config, kHead), std::nullopt);
}

TEST(OnlineQuantTest, ExclusionsComeFirstThenTheFirstGlobThenTheDefault) {
  const OnlineQuantConfig config = parsed(
      R"({"global_quant_config": "per_block_fp8", "exclude_layer": "*shared_expert*",
          "layer_quant_config": {"*expert*": "mxfp4", "*.w1.*": "ptpc_fp8"}})");

  EXPECT_EQ(online_format(config, kShared), std::nullopt);
  EXPECT_EQ(online_format(config, kExpert), WeightFormat::kMxfp4);
  EXPECT_EQ(online_format(config, kAttention), WeightFormat::kFp8Block);
}

TEST(OnlineQuantTest, WithoutADefaultOnlyGlobsQuantise) {
  const OnlineQuantConfig config =
      parsed(R"({"global_quant_config": "", "layer_quant_config": {"*[qk]_proj": "ptpc_fp8"}})");

  EXPECT_EQ(online_format(config, kAttention), WeightFormat::kFp8Channel);
  EXPECT_EQ(online_format(config, "model.layers.3.self_attn.v_proj.weight"), std::nullopt);
}

TEST(OnlineQuantTest, AGlobMatchesANameOrAModuleAboveIt) {
  for (const char* glob : {"*q_proj", "*q_proj.weight", "model.layers.3", "model.layers.?", "model",
                           "*.self_attn.*", "*[!k]_proj"}) {
    EXPECT_THAT(unmatched_globs({.global = {}, .layers = {}, .excluded = {glob}}, {kAttention}),
                ElementsAre())
        << glob;
  }
  for (const char* glob :
       {"q_proj", "model.layers.33", "layers.3", "*.gate", "model.layers.3.*.k*"}) {
    EXPECT_EQ(
        unmatched_globs({.global = {}, .layers = {}, .excluded = {glob}}, {kAttention}).size(), 1U)
        << glob;
  }
}

TEST(OnlineQuantTest, NamesTheGlobsThatMatchNothing) {
  const OnlineQuantConfig config = parsed(
      R"({"layer_quant_config": {"*self_atn*": "mxfp4", "*w1*": "mxfp4"},
          "exclude_layer": "*gate"})");

  EXPECT_THAT(unmatched_globs(config, {kAttention, kExpert}),
              ElementsAre("layer_quant_config: \"*self_atn*\"", "exclude_layer: \"*gate\""));
}

TEST(OnlineQuantTest, SaysWhatIsWrong) {
  EXPECT_THAT(fault("{"), HasSubstr("malformed JSON"));
  EXPECT_EQ(fault("[]"), "must be a JSON object");
  EXPECT_EQ(fault("{}"), "neither global_quant_config nor layer_quant_config names a format");
  EXPECT_EQ(fault(R"({"global_quant_config": "int4"})"),
            "global_quant_config: \"int4\" is not a format, ptpc_fp8, per_block_fp8 and mxfp4 are");
  EXPECT_EQ(fault(R"({"global_quant_config": 8})"),
            "global_quant_config: a format must be a string");
  EXPECT_EQ(fault(R"({"layer_quant_config": ["*"]})"),
            "layer_quant_config: must be an object of globs and formats");
  EXPECT_EQ(fault(R"({"layer_quant_config": {"*up*": "mxfp8"}})"),
            "layer_quant_config: \"*up*\": \"mxfp8\" is not a format, ptpc_fp8, per_block_fp8 and "
            "mxfp4 are");
  EXPECT_EQ(fault(R"({"global_quant_config": "mxfp4", "exclude_layer": [1]})"),
            "exclude_layer: must be a list of globs");
  EXPECT_EQ(fault(R"({"global_quant": "mxfp4"})"),
            "\"global_quant\" is not a key, global_quant_config, layer_quant_config and "
            "exclude_layer are");
}

}  // namespace
}  // namespace talon
