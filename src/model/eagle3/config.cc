#include "model/eagle3/config.h"

#include <fmt/format.h>

#include <array>
#include <optional>
#include <utility>

#include "base/printable.h"
#include "model/config_reader.h"
#include "model/quantisation_config.h"

namespace talon {
namespace {

constexpr std::string_view kLlamaHead = "LlamaForCausalLMEagle3";
constexpr std::string_view kSpeculatorsHead = "Eagle3Speculator";
constexpr int32_t kMaxTaps = 16;
static_assert(int64_t{kMaxTaps} * kMaxDimension < int64_t{1} << 31);

// Of a file of the `speculators` package: how it was trained and which model it belongs to.
constexpr std::array<std::string_view, 9> kBookkeeping = {
    "speculators_config",
    "speculators_model_type",
    "speculators_version",
    "ttt_length",
    "torch_compile",
    "embed_requires_grad",
    "target_model_type",
    "draft_vocab_mapping_path",
    "num_nextn_predict_layers",
};

// Keys that would change what a head computes.
void check_fixed_keys(ConfigReader& reader) {
  reader.require("hidden_act", "silu");
  reader.require("num_hidden_layers", 1);
  reader.require("attention_bias", false);
  reader.require("mlp_bias", false);
  reader.require("qkv_bias", false);
  reader.require("logit_scale", 1.0);
  reader.require("is_causal", true);
  reader.require("tie_word_embeddings", false);
  reader.require("kv_lora_rank", nullptr);
  for (const std::string_view key : {"mask_token_id", "ptd_token_id", "pard_token"}) {
    reader.require(key, nullptr);
  }
  // A window acts only where it is switched on.
  if (reader.flag_or("use_sliding_window", reader.has("sliding_window"))) {
    reader.require("use_sliding_window", false);
    reader.require("sliding_window", nullptr);
  }
}

void read_layer(ConfigReader& layer, Eagle3Config& config) {
  config.hidden_size = layer.integer("hidden_size");
  config.intermediate_size = layer.integer("intermediate_size");
  config.num_heads = layer.integer("num_attention_heads", kHeads);
  config.num_kv_heads = layer.integer_or("num_key_value_heads", config.num_heads, kHeads);
  config.head_dim = layer.integer_or("head_dim", config.hidden_size / config.num_heads, kHeadDim);
  if (config.num_heads % config.num_kv_heads != 0) {
    layer.fail("num_key_value_heads", fmt::format("{} does not divide num_attention_heads, {}",
                                                  config.num_kv_heads, config.num_heads));
  }
  if (config.head_dim < 2 || config.head_dim > kHeadDim.max || config.head_dim % 2 != 0) {
    layer.fail("head_dim", fmt::format("{} is not an even size", config.head_dim));
  }
  const RopeSettings rope = read_rope(layer, 10000.0);
  config.rope_theta = rope.theta;
  if (rope.partial_rotary_factor.value_or(1.0) != 1.0) {
    layer.fail("partial_rotary_factor", "only 1.0 is implemented");
  }
  config.max_positions =
      layer.integer_or("max_position_embeddings", 8192, {.min = 1, .max = 1 << 30});
  config.rms_norm_eps = static_cast<float>(layer.positive_or("rms_norm_eps", 1e-6));
  config.vocab_size = layer.integer("vocab_size");
  check_fixed_keys(layer);
}

void read_taps(ConfigReader& top, Eagle3Config& config) {
  constexpr std::string_view kKey = "eagle_aux_hidden_state_layer_ids";
  // An id of -1 (the last layer's output) fails by range, which names it.
  constexpr IntRange kLayers = {.min = 0, .max = kMaxLayers - 1};
  config.taps = top.integers_or_none(kKey, kLayers);
  std::string path(kKey);
  if (const Json* object = top.object("eagle_config")) {
    ConfigReader eagle(*object, "eagle_config.");
    const std::vector<int32_t> taps = eagle.integers_or_none(kKey, kLayers);
    if (!taps.empty()) {
      config.taps = taps;
      path = eagle.path() + path;
    }
    eagle.require("use_aux_hidden_state", true);
    top.adopt(eagle);
    for (std::string& key : eagle.unknown_keys({})) {
      config.unknown_keys.push_back(std::move(key));
    }
  }
  for (size_t i = 1; i < config.taps.size(); ++i) {
    if (config.taps[i] < config.taps[i - 1]) {
      top.fail(path, fmt::format("layer {} after layer {}: taps may not descend", config.taps[i],
                                 config.taps[i - 1]));
    }
  }
  const auto stated = static_cast<int32_t>(config.taps.size());
  config.num_taps = top.integer_or("num_aux_hidden_states", stated == 0 ? 3 : stated,
                                   {.min = 1, .max = kMaxTaps});
  if (stated > kMaxTaps) {
    top.fail(path, fmt::format("{} taps are over the limit of {}", stated, kMaxTaps));
  }
  if (stated != 0 && stated != config.num_taps) {
    top.fail("num_aux_hidden_states",
             fmt::format("{} differs from the {} taps of {}", config.num_taps, stated, path));
  }
}

void read_head(ConfigReader& top, Eagle3Config& config) {
  config.target_hidden_size = top.integer_or("target_hidden_size", config.hidden_size);
  config.draft_vocab_size = top.integer_or("draft_vocab_size", config.vocab_size);
  if (config.draft_vocab_size > config.vocab_size) {
    top.fail("draft_vocab_size",
             fmt::format("{} is over vocab_size, {}", config.draft_vocab_size, config.vocab_size));
  }
  config.fc_norm = top.flag_or("fc_norm", false);
  config.norm_output = top.flag_or("norm_output", false);
  config.norm_before_residual = top.flag_or("norm_before_residual", false);
  top.require("norm_before_fc", false);
  top.require("input_norm", false);
  read_taps(top, config);
}

// A head of the `speculators` package keeps the layer's keys in an object of their own.
std::optional<ConfigReader> nested_layer(ConfigReader& top, const Json& root) {
  constexpr std::string_view kKey = "transformer_layer_config";
  const std::string architecture = identity_of(root).architecture;
  if (architecture == kLlamaHead) {
    return std::nullopt;
  }
  if (architecture != kSpeculatorsHead) {
    top.fail("architectures",
             fmt::format("\"{}\" is not implemented, only {} and {} are",
                         printable(architecture, 60), kLlamaHead, kSpeculatorsHead));
    return std::nullopt;
  }
  top.require("speculators_model_type", "eagle3");
  const Json* object = top.object(kKey);
  if (object == nullptr) {
    top.fail(kKey, "missing");
    return std::nullopt;
  }
  return ConfigReader(*object, fmt::format("{}.", kKey));
}

}  // namespace

Result<Eagle3Config> parse_eagle3_config(std::string_view json_text) {
  const Result<Json> parsed = parse_config_text(json_text);
  if (!parsed.ok()) {
    return Failure{parsed.message()};
  }
  Eagle3Config config;
  ConfigReader top(parsed.value(), "");
  std::optional<ConfigReader> nested = nested_layer(top, parsed.value());
  if (top.failure()) {
    return *top.failure();
  }
  read_layer(nested ? *nested : top, config);
  if (nested) {
    top.adopt(*nested);
  }
  read_head(top, config);
  read_quantisation(top, "quantization_config");
  if (top.failure()) {
    return *top.failure();
  }
  for (std::string& key : top.unknown_keys(kBookkeeping)) {
    config.unknown_keys.push_back(std::move(key));
  }
  if (nested) {
    for (std::string& key : nested->unknown_keys(kBookkeeping)) {
      config.unknown_keys.push_back(std::move(key));
    }
  }
  return config;
}

std::vector<int32_t> default_taps(int32_t num_target_layers) {
  return {2, num_target_layers / 2, num_target_layers - 3};
}

}  // namespace talon
