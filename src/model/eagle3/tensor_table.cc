#include "model/eagle3/tensor_table.h"

#include <fmt/format.h>

#include <utility>

namespace talon {
namespace {

ExpectedTensor optional_tensor(std::string name,
                               std::vector<int64_t> shape,
                               TensorRole role,
                               ModelPart part) {
  return {.name = std::move(name),
          .shape = std::move(shape),
          .role = role,
          .part = part,
          .is_optional = true};
}

void add_layer(TensorTable& table, const Eagle3Config& c) {
  const std::string prefix = "layers.0.";
  const int64_t hidden = c.hidden_size;
  const int64_t q_width = int64_t{c.num_heads} * c.head_dim;
  const int64_t kv_width = int64_t{c.num_kv_heads} * c.head_dim;
  const auto gain = [&](std::string_view name) {
    table.push_back({.name = fmt::format("{}{}.weight", prefix, name), .shape = {hidden}});
  };
  const auto linear = [&](std::string_view name, int64_t num_out, int64_t num_in, ModelPart part) {
    table.push_back({.name = fmt::format("{}{}.weight", prefix, name),
                     .shape = {num_out, num_in},
                     .role = TensorRole::kLinear,
                     .part = part});
  };
  gain("input_layernorm");
  gain("hidden_norm");
  gain("post_attention_layernorm");
  linear("self_attn.q_proj", q_width, 2 * hidden, ModelPart::kAttention);
  linear("self_attn.k_proj", kv_width, 2 * hidden, ModelPart::kAttention);
  linear("self_attn.v_proj", kv_width, 2 * hidden, ModelPart::kAttention);
  linear("self_attn.o_proj", hidden, q_width, ModelPart::kAttention);
  linear("mlp.gate_proj", c.intermediate_size, hidden, ModelPart::kDenseMlp);
  linear("mlp.up_proj", c.intermediate_size, hidden, ModelPart::kDenseMlp);
  linear("mlp.down_proj", hidden, c.intermediate_size, ModelPart::kDenseMlp);
}

}  // namespace

TensorTable eagle3_tensor_table(const Eagle3Config& config) {
  TensorTable table;
  const int64_t hidden = config.hidden_size;
  table.push_back(optional_tensor("embed_tokens.weight", {config.vocab_size, hidden},
                                  TensorRole::kBf16, ModelPart::kEmbedding));
  for (int32_t tap = 0; config.fc_norm && tap < config.num_taps; ++tap) {
    table.push_back({.name = fmt::format("fc_norm.{}.weight", tap),
                     .shape = {config.target_hidden_size},
                     .part = ModelPart::kFeatures});
  }
  table.push_back({.name = "fc.weight",
                   .shape = {hidden, int64_t{config.num_taps} * config.target_hidden_size},
                   .role = TensorRole::kLinear,
                   .part = ModelPart::kFeatures});
  add_layer(table, config);
  table.push_back({.name = "norm.weight", .shape = {hidden}});
  table.push_back(optional_tensor("lm_head.weight", {config.draft_vocab_size, hidden},
                                  TensorRole::kLinear, ModelPart::kHead));
  table.push_back(optional_tensor("d2t", {config.draft_vocab_size}, TensorRole::kI64,
                                  ModelPart::kVocabularyMap));
  table.push_back(
      optional_tensor("t2d", {config.vocab_size}, TensorRole::kBool, ModelPart::kVocabularyMap));
  return table;
}

}  // namespace talon
