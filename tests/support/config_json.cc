#include "support/config_json.h"

#include "base/check.h"
#include "base/json.h"

namespace talon::test {
namespace {

Json sparse_attention(const oracle::M3Config& c) {
  return {{"use_sparse_attention", true},
          {"sparse_attention_freq", c.sparse_layers},
          {"sparse_num_index_heads", c.num_kv_heads},
          {"sparse_index_dim", c.index_dim},
          {"sparse_block_size", c.block_size},
          {"sparse_topk_blocks", c.topk_blocks},
          {"sparse_init_block", 0},
          {"sparse_local_block", c.local_blocks},
          {"sparse_score_type", "max"},
          {"sparse_disable_index_value", c.sparse_layers}};
}

Json text_config(const oracle::M3Config& c) {
  return {{"architectures", {"MiniMaxM3SparseForCausalLM"}},
          {"attention_output_gate", false},
          {"dense_intermediate_size", c.dense_size},
          {"head_dim", c.head_dim},
          {"hidden_act", "swigluoai"},
          {"hidden_size", c.hidden_size},
          {"intermediate_size", c.expert_size},
          {"max_position_embeddings", c.max_positions},
          {"moe_layer_freq", c.moe_layers},
          {"n_shared_experts", 1},
          {"num_attention_heads", c.num_heads},
          {"num_experts_per_tok", c.experts_per_token},
          {"num_hidden_layers", c.num_layers},
          {"num_key_value_heads", c.num_kv_heads},
          {"num_local_experts", c.num_experts},
          {"partial_rotary_factor",
           static_cast<double>(c.rotary_dim) / static_cast<double>(c.head_dim)},
          {"qk_norm_type", "per_head"},
          {"rms_norm_eps", c.rms_norm_eps},
          {"rope_theta", c.rope_theta},
          {"rotary_dim", c.rotary_dim},
          {"routed_scaling_factor", c.routed_scaling_factor},
          {"scoring_func", "sigmoid"},
          {"shared_intermediate_size", c.shared_size},
          {"sparse_attention_config", sparse_attention(c)},
          {"swiglu_alpha", c.swiglu_alpha},
          {"swiglu_limit", c.swiglu_limit},
          {"tie_word_embeddings", false},
          {"use_gemma_norm", true},
          {"use_qk_norm", true},
          {"use_routing_bias", true},
          {"vocab_size", c.vocab_size}};
}

Json parse(std::string_view text) {
  Result<Json> parsed = parse_json(text);
  TALON_CHECK(parsed.ok(), "{}", parsed.message());
  return std::move(parsed).value();
}

}  // namespace

std::string m3_config_text(const oracle::M3Config& config, std::string_view quantization) {
  Json out = {{"architectures", {"MiniMaxM3SparseForConditionalGeneration"}},
              {"model_type", "minimax_m3_vl"},
              {"text_config", text_config(config)},
              {"torch_dtype", "bfloat16"}};
  if (!quantization.empty()) {
    out["quantization_config"] = parse(quantization);
  }
  return out.dump(2) + "\n";
}

std::string eagle3_config_text(const oracle::Eagle3Config& config, int64_t max_positions) {
  const oracle::Eagle3Config& c = config;
  const Json out = {
      {"architectures", {"LlamaForCausalLMEagle3"}},
      {"attention_bias", false},
      {"draft_vocab_size", c.draft_vocab_size},
      {"eagle_config",
       {{"eagle_aux_hidden_state_layer_ids", c.tap_layers}, {"use_aux_hidden_state", true}}},
      {"fc_norm", c.fc_norm},
      {"head_dim", c.head_dim},
      {"hidden_act", "silu"},
      {"hidden_size", c.hidden_size},
      {"intermediate_size", c.intermediate_size},
      {"max_position_embeddings", max_positions},
      {"mlp_bias", false},
      {"model_type", "llama"},
      {"norm_before_residual", c.norm_before_residual},
      {"norm_output", c.norm_output},
      {"num_attention_heads", c.num_heads},
      {"num_aux_hidden_states", c.tap_layers.size()},
      {"num_hidden_layers", 1},
      {"num_key_value_heads", c.num_kv_heads},
      {"rms_norm_eps", c.rms_norm_eps},
      {"rope_theta", c.rope_theta},
      {"target_hidden_size", c.target_hidden_size},
      {"tie_word_embeddings", false},
      {"torch_dtype", "bfloat16"},
      {"vocab_size", c.vocab_size}};
  return out.dump(2) + "\n";
}

oracle::M3Config m3_config_from_text(std::string_view text) {
  const Json all = parse(text);
  const Json& t = all.at("text_config");
  const Json& sparse = t.at("sparse_attention_config");
  oracle::M3Config c;
  c.vocab_size = t.at("vocab_size");
  c.hidden_size = t.at("hidden_size");
  c.num_layers = t.at("num_hidden_layers");
  c.num_heads = t.at("num_attention_heads");
  c.num_kv_heads = t.at("num_key_value_heads");
  c.head_dim = t.at("head_dim");
  c.rotary_dim = t.at("rotary_dim");
  c.rope_theta = t.at("rope_theta");
  c.rms_norm_eps = t.at("rms_norm_eps");
  c.dense_size = t.at("dense_intermediate_size");
  c.expert_size = t.at("intermediate_size");
  c.shared_size = t.at("shared_intermediate_size");
  c.num_experts = t.at("num_local_experts");
  c.experts_per_token = t.at("num_experts_per_tok");
  c.routed_scaling_factor = t.at("routed_scaling_factor");
  c.swiglu_alpha = t.at("swiglu_alpha");
  c.swiglu_limit = t.at("swiglu_limit");
  c.moe_layers = t.at("moe_layer_freq").get<std::vector<int>>();
  c.sparse_layers = sparse.at("sparse_attention_freq").get<std::vector<int>>();
  c.index_dim = sparse.at("sparse_index_dim");
  c.block_size = sparse.at("sparse_block_size");
  c.topk_blocks = sparse.at("sparse_topk_blocks");
  c.local_blocks = sparse.at("sparse_local_block");
  c.max_positions = t.at("max_position_embeddings");
  return c;
}

oracle::Eagle3Config eagle3_config_from_text(std::string_view text) {
  const Json t = parse(text);
  oracle::Eagle3Config c;
  c.vocab_size = t.at("vocab_size");
  c.draft_vocab_size = t.at("draft_vocab_size");
  c.hidden_size = t.at("hidden_size");
  c.target_hidden_size = t.at("target_hidden_size");
  c.intermediate_size = t.at("intermediate_size");
  c.num_heads = t.at("num_attention_heads");
  c.num_kv_heads = t.at("num_key_value_heads");
  c.head_dim = t.at("head_dim");
  c.rope_theta = t.at("rope_theta");
  c.rms_norm_eps = t.at("rms_norm_eps");
  c.tap_layers =
      t.at("eagle_config").at("eagle_aux_hidden_state_layer_ids").get<std::vector<int64_t>>();
  c.fc_norm = t.at("fc_norm");
  c.norm_output = t.at("norm_output");
  c.norm_before_residual = t.at("norm_before_residual");
  return c;
}

}  // namespace talon::test
