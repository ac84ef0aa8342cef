#include "model/minimax_m3/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "base/ids.h"
#include "model/config_reader.h"
#include "model/quantisation_config.h"

namespace talon {
namespace {

constexpr std::string_view kArchitecture = "MiniMaxM3SparseForConditionalGeneration";
constexpr std::string_view kModelType = "minimax_m3_vl";

// Advertised modules that no checkpoint holds (spec 4.1), settings of an index shared between
// layers that act under use_index_cache only (spec 3.2), and sizes that others repeat.
constexpr std::array<std::string_view, 7> kTextBookkeeping = {
    "num_mtp_modules",        "num_nextn_predict_layers",
    "mtp_transformer_layers", "use_mtp",
    "mlp_layer_types",        "layer_types",
    "sparse_layer_types",
};
constexpr std::array<std::string_view, 3> kSparseBookkeeping = {
    "index_topk_freq", "index_topk_pattern", "index_skip_topk_offset"};
// The vision part (spec 7) is not run.
constexpr std::array<std::string_view, 24> kTopBookkeeping = {
    "vision_config",
    "image_token_index",
    "image_token_id",
    "video_token_index",
    "video_token_id",
    "vision_start_token_id",
    "vision_end_token_id",
    "image_seq_length",
    "projector_hidden_size",
    "projector_hidden_act",
    "multimodal_projector_bias",
    "vision_feature_layer",
    "vision_feature_select_strategy",
    "image_grid_pinpoints",
    "img_token_compression_config",
    "process_image_mode",
    "patch_merge_size",
    "spatial_merge_size",
    "temporal_patch_size",
    "num_mtp_modules",
    "num_nextn_predict_layers",
    "vocab_size",
    "hidden_size",
    "max_position_embeddings",
};

bool has_any(const std::vector<bool>& flags) {
  return std::find(flags.begin(), flags.end(), true) != flags.end();
}

void check_architecture(ConfigReader& top, const Json& root) {
  const ModelIdentity identity = identity_of(root);
  if (identity.model_type != kModelType && identity.architecture != kArchitecture) {
    top.fail("architectures", fmt::format("not {} (model_type {})", kArchitecture, kModelType));
  }
}

void read_attention(ConfigReader& text, M3Config& config) {
  config.num_heads = text.integer("num_attention_heads", kHeads);
  config.num_kv_heads = text.integer("num_key_value_heads", kHeads);
  config.head_dim = text.integer("head_dim", kHeadDim);
  if (config.num_heads % config.num_kv_heads != 0) {
    text.fail("num_key_value_heads", fmt::format("{} does not divide num_attention_heads, {}",
                                                 config.num_kv_heads, config.num_heads));
  }
  const RopeSettings rope = read_rope(text, std::nullopt);
  config.rope_theta = rope.theta;
  const double share = rope.partial_rotary_factor.value_or(1.0);
  const double derived = std::min(share, 1.0) * config.head_dim;
  config.rotary_dim = text.integer_or("rotary_dim", static_cast<int32_t>(derived));
  if (config.rotary_dim > config.head_dim || config.rotary_dim % 2 != 0) {
    text.fail("rotary_dim",
              fmt::format("{} is odd, or over head_dim, {}", config.rotary_dim, config.head_dim));
  }
  if (rope.partial_rotary_factor && share * config.head_dim != config.rotary_dim) {
    text.fail("partial_rotary_factor",
              fmt::format("times head_dim is not rotary_dim, {}", config.rotary_dim));
  }
  text.require("use_qk_norm", true);
  text.require("qk_norm_type", "per_head");
  text.require("attention_output_gate", false);
  text.require("attention_bias", false);
  text.require("qkv_bias", false);
  text.require("use_sliding_window", false);
  text.require("sliding_window", nullptr);
}

void read_mlp(ConfigReader& text, M3Config& config) {
  text.require("hidden_act", "swigluoai");
  text.require("swiglu_beta", 1.0);
  text.require("mlp_bias", false);
  config.activation = {
      .kind = ops::ActivationKind::kSwigluOai,
      .alpha = static_cast<float>(text.positive_or("swiglu_alpha", 1.702)),
      .limit = static_cast<float>(text.positive_or("swiglu_limit", 7.0)),
  };
  config.is_moe = text.layer_flags("moe_layer_freq", config.num_layers);
  if (!has_any(config.is_moe)) {
    config.dense_width = text.integer("dense_intermediate_size");
    return;
  }
  const bool all_moe =
      std::find(config.is_moe.begin(), config.is_moe.end(), false) == config.is_moe.end();
  config.dense_width = all_moe ? text.integer_or("dense_intermediate_size", 0)
                               : text.integer("dense_intermediate_size");
  config.num_experts = text.integer("num_local_experts", {.min = 1, .max = kMaxExperts});
  config.experts_per_token =
      text.integer("num_experts_per_tok", {.min = 1, .max = config.num_experts});
  config.expert_width = text.integer("intermediate_size");
  const int32_t num_shared = text.integer_or("n_shared_experts", 0, {.min = 0, .max = 1});
  config.shared_width = num_shared == 0 ? 0 : text.integer("shared_intermediate_size");
  config.routed_scaling_factor = static_cast<float>(text.positive_or("routed_scaling_factor", 1.0));
  text.require("scoring_func", "sigmoid");
  text.require("use_routing_bias", true);
  text.require("norm_topk_prob", true);
  text.require("n_group", 1);
  text.require("topk_group", 1);
}

void read_sparse(ConfigReader& text, M3Config& config) {
  config.is_sparse.assign(static_cast<size_t>(config.num_layers), false);
  const Json* object = text.object("sparse_attention_config");
  if (object == nullptr) {
    return;
  }
  ConfigReader sparse(*object, text.path() + "sparse_attention_config.");
  if (!sparse.flag_or("use_sparse_attention", true)) {
    return;
  }
  config.is_sparse = sparse.layer_flags("sparse_attention_freq", config.num_layers);
  config.num_index_heads = sparse.integer("sparse_num_index_heads", kHeads);
  config.index_dim = sparse.integer("sparse_index_dim", kHeadDim);
  config.topk_blocks = sparse.integer("sparse_topk_blocks", {.min = 1, .max = 1 << 16});
  config.num_local_blocks = sparse.integer_or("sparse_local_block", 1);
  sparse.require("sparse_block_size", kPageTokens);
  sparse.require("sparse_init_block", 0);
  sparse.require("sparse_score_type", "max");
  sparse.require("use_index_cache", false);
  if (config.num_index_heads != config.num_kv_heads) {
    sparse.fail("sparse_num_index_heads", fmt::format("{} is not num_key_value_heads, {}",
                                                      config.num_index_heads, config.num_kv_heads));
  }
  if (config.index_dim < config.rotary_dim) {
    sparse.fail("sparse_index_dim",
                fmt::format("{} is below rotary_dim, {}", config.index_dim, config.rotary_dim));
  }
  if (config.num_local_blocks > config.topk_blocks) {
    sparse.fail("sparse_local_block", fmt::format("{} blocks are more than sparse_topk_blocks, {}",
                                                  config.num_local_blocks, config.topk_blocks));
  }
  if (sparse.has("sparse_disable_index_value")) {
    const std::vector<bool> disabled =
        sparse.layer_flags("sparse_disable_index_value", config.num_layers);
    for (size_t layer = 0; layer < disabled.size(); ++layer) {
      if (config.is_sparse[layer] && !disabled[layer]) {
        sparse.fail(
            "sparse_disable_index_value",
            fmt::format("0 for sparse layer {}, and index values are not implemented", layer));
      }
    }
  }
  for (std::string& key : sparse.unknown_keys(kSparseBookkeeping)) {
    config.unknown_keys.push_back(std::move(key));
  }
  text.adopt(sparse);
}

void read_text(ConfigReader& text, M3Config& config) {
  config.num_layers = text.integer("num_hidden_layers", {.min = 1, .max = kMaxLayers});
  config.hidden_size = text.integer("hidden_size");
  config.vocab_size = text.integer("vocab_size");
  config.max_positions = text.integer("max_position_embeddings", {.min = 1, .max = 1 << 30});
  config.rms_norm_eps = static_cast<float>(text.positive("rms_norm_eps"));
  text.require("use_gemma_norm", true);
  text.require("tie_word_embeddings", false);
  text.require("logit_scale", 1.0);
  text.require("final_logit_softcapping", nullptr);
  read_attention(text, config);
  read_mlp(text, config);
  read_sparse(text, config);
}

}  // namespace

Result<M3Config> parse_m3_config(std::string_view json_text) {
  const Result<Json> parsed = parse_config_text(json_text);
  if (!parsed.ok()) {
    return Failure{parsed.message()};
  }
  M3Config config;
  ConfigReader top(parsed.value(), "");
  check_architecture(top, parsed.value());
  const Json* text_object = top.object("text_config");
  if (text_object == nullptr) {
    top.fail("text_config", "missing; the config.json of a text model alone is not supported");
    return *top.failure();
  }
  top.require("tie_word_embeddings", false);
  ConfigReader text(*text_object, "text_config.");
  read_text(text, config);
  top.adopt(text);
  config.quant_method = read_quantisation(top, "quantization_config");
  const std::string inner = read_quantisation(text, "quantization_config");
  config.quant_method = config.quant_method.empty() ? inner : config.quant_method;
  top.adopt(text);
  constexpr IntRange kIds = {.min = 0, .max = kMaxDimension};
  config.eos_token_ids = top.integers_or_none("eos_token_id", kIds);
  if (config.eos_token_ids.empty()) {
    config.eos_token_ids = text.integers_or_none("eos_token_id", kIds);
    top.adopt(text);
  }
  if (top.failure()) {
    return *top.failure();
  }
  for (std::string& key : top.unknown_keys(kTopBookkeeping)) {
    config.unknown_keys.push_back(std::move(key));
  }
  for (std::string& key : text.unknown_keys(kTextBookkeeping)) {
    config.unknown_keys.push_back(std::move(key));
  }
  return config;
}

}  // namespace talon
