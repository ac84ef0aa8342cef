#include "model/minimax_m3/weights.h"

#include <array>
#include <string>

#include "model/minimax_m3/tensor_table.h"

namespace talon {
namespace {

// Loads the parts of one layer.
class LayerLoader {
 public:
  LayerLoader(const TensorSource& source,
              const M3Config& config,
              int32_t layer,
              std::vector<Buffer>& storage)
      : source_(source),
        config_(config),
        layer_(static_cast<size_t>(layer)),
        prefix_(m3_layer_prefix(layer)),
        storage_(storage) {}

  M3LayerWeights load() const {
    M3LayerWeights weights;
    weights.input_gain = copy("input_layernorm.weight");
    weights.post_gain = copy("post_attention_layernorm.weight");
    weights.attention = attention();
    if (config_.is_moe[layer_]) {
      load_moe(weights.moe);
    } else {
      weights.mlp = {.gate_up = stack({"mlp.gate_proj.weight", "mlp.up_proj.weight"}),
                     .down = pack("mlp.down_proj.weight")};
    }
    return weights;
  }

 private:
  ConstTensorView copy(const std::string& name) const {
    return source_.copy(prefix_ + name, storage_);
  }
  PackedWeight pack(const std::string& name) const { return source_.pack(prefix_ + name); }
  PackedWeight stack(std::vector<std::string> names) const {
    for (std::string& name : names) {
      name.insert(0, prefix_);
    }
    return source_.stack(names);
  }

  M3AttentionWeights attention() const {
    M3AttentionWeights weights;
    std::vector<std::string> names = {"self_attn.q_proj.weight", "self_attn.k_proj.weight",
                                      "self_attn.v_proj.weight"};
    if (config_.is_sparse[layer_]) {
      names.emplace_back("self_attn.index_q_proj.weight");
      names.emplace_back("self_attn.index_k_proj.weight");
      weights.index_q_gain = copy("self_attn.index_q_norm.weight");
      weights.index_k_gain = copy("self_attn.index_k_norm.weight");
    }
    weights.qkv = stack(std::move(names));
    weights.output = pack("self_attn.o_proj.weight");
    weights.q_gain = copy("self_attn.q_norm.weight");
    weights.k_gain = copy("self_attn.k_norm.weight");
    return weights;
  }

  void load_moe(M3MoeWeights& moe) const {
    const std::string base = "block_sparse_moe.";
    moe.gate = copy(base + "gate.weight");
    moe.bias = copy(base + "e_score_correction_bias");
    if (source_.uploader() == nullptr) {
      load_experts(base, moe);
    } else {
      load_expert_rows(base, moe);
    }
    if (config_.shared_width == 0) {
      return;
    }
    const std::string shared = base + "shared_experts.";
    moe.shared_gate_up = stack({shared + "gate_proj.weight", shared + "up_proj.weight"});
    moe.shared_down = pack(shared + "down_proj.weight");
    moe.shared = {.gate_up = moe.shared_gate_up.weight(), .down = moe.shared_down.weight()};
  }

  static std::string expert_prefix(const std::string& base, int32_t expert) {
    return base + "experts." + std::to_string(expert) + ".";
  }

  void load_experts(const std::string& base, M3MoeWeights& moe) const {
    for (int32_t i = 0; i < config_.num_experts; ++i) {
      const std::string expert = expert_prefix(base, i);
      moe.gate_ups.push_back(stack({expert + "w1.weight", expert + "w3.weight"}));
      moe.downs.push_back(pack(expert + "w2.weight"));
      moe.experts.push_back(
          {.gate_up = moe.gate_ups.back().weight(), .down = moe.downs.back().weight()});
    }
  }

  // CUDA kernels find an expert at a multiple of one distance: all experts are one matrix.
  void load_expert_rows(const std::string& base, M3MoeWeights& moe) const {
    std::vector<std::string> gate_ups;
    std::vector<std::string> downs;
    for (int32_t i = 0; i < config_.num_experts; ++i) {
      const std::string expert = expert_prefix(base, i);
      gate_ups.insert(gate_ups.end(), {expert + "w1.weight", expert + "w3.weight"});
      downs.push_back(expert + "w2.weight");
    }
    moe.gate_ups.push_back(stack(std::move(gate_ups)));
    moe.downs.push_back(stack(std::move(downs)));
    const Weight& up = moe.gate_ups[0].weight();
    const Weight& down = moe.downs[0].weight();
    const int64_t num_up = up.num_out / config_.num_experts;
    const int64_t num_down = down.num_out / config_.num_experts;
    for (int32_t i = 0; i < config_.num_experts; ++i) {
      moe.experts.push_back({.gate_up = weight_rows(up, i * num_up, num_up),
                             .down = weight_rows(down, i * num_down, num_down)});
    }
  }

  const TensorSource& source_;
  const M3Config& config_;
  size_t layer_;
  std::string prefix_;
  std::vector<Buffer>& storage_;
};

}  // namespace

M3Weights load_m3_weights(const Checkpoint& checkpoint,
                          const M3Config& config,
                          Uploader* uploader,
                          const OnlineQuantConfig& quant) {
  const TensorSource source(checkpoint, m3_tensor_table(config), uploader, quant);
  M3Weights weights;
  weights.embedding = source.copy("model.embed_tokens.weight", weights.storage);
  for (int32_t layer = 0; layer < config.num_layers; ++layer) {
    weights.layers.push_back(LayerLoader(source, config, layer, weights.storage).load());
  }
  weights.final_gain = source.copy("model.norm.weight", weights.storage);
  weights.head = source.pack("lm_head.weight");
  return weights;
}

}  // namespace talon
