#include "oracle/m3_tensors.h"

#include <utility>

namespace talon::oracle {
namespace {

class Table {
 public:
  void add(const std::string& name, std::vector<int64_t> shape, const char* dtype = "BF16") {
    specs_.push_back({name, std::move(shape), dtype});
  }

  // A gated MLP: two projections up to `width` and one down.
  void add_mlp(const std::vector<std::string>& gate_up_down, int64_t width, int64_t hidden) {
    add(gate_up_down[0] + ".weight", {width, hidden});
    add(gate_up_down[1] + ".weight", {width, hidden});
    add(gate_up_down[2] + ".weight", {hidden, width});
  }

  // A linear layer or norm of the vision part, with its bias.
  void add_with_bias(const std::string& name, std::vector<int64_t> shape) {
    const int64_t out = shape[0];
    add(name + ".weight", std::move(shape));
    add(name + ".bias", {out});
  }

  std::vector<TensorSpec> take() { return std::move(specs_); }

 private:
  std::vector<TensorSpec> specs_;
};

std::vector<std::string> projections(const std::string& base) {
  return {base + "gate_proj", base + "up_proj", base + "down_proj"};
}

void add_attention(Table& table, const M3Config& c, const std::string& base, bool is_sparse) {
  const std::string attn = base + "self_attn.";
  table.add(base + "input_layernorm.weight", {c.hidden_size});
  table.add(base + "post_attention_layernorm.weight", {c.hidden_size});
  table.add(attn + "q_proj.weight", {c.num_heads * c.head_dim, c.hidden_size});
  table.add(attn + "k_proj.weight", {c.num_kv_heads * c.head_dim, c.hidden_size});
  table.add(attn + "v_proj.weight", {c.num_kv_heads * c.head_dim, c.hidden_size});
  table.add(attn + "o_proj.weight", {c.hidden_size, c.num_heads * c.head_dim});
  table.add(attn + "q_norm.weight", {c.head_dim});
  table.add(attn + "k_norm.weight", {c.head_dim});
  if (is_sparse) {
    table.add(attn + "index_q_proj.weight", {c.num_kv_heads * c.index_dim, c.hidden_size});
    table.add(attn + "index_k_proj.weight", {c.index_dim, c.hidden_size});
    table.add(attn + "index_q_norm.weight", {c.index_dim});
    table.add(attn + "index_k_norm.weight", {c.index_dim});
  }
}

void add_experts(Table& table, const M3Config& c, const std::string& base) {
  const std::string moe = base + "block_sparse_moe.";
  table.add(moe + "gate.weight", {c.num_experts, c.hidden_size}, "F32");
  table.add(moe + "e_score_correction_bias", {c.num_experts}, "F32");
  for (int64_t e = 0; e < c.num_experts; ++e) {
    const std::string expert = moe + "experts." + std::to_string(e) + ".";
    table.add_mlp({expert + "w1", expert + "w3", expert + "w2"}, c.expert_size, c.hidden_size);
  }
  table.add_mlp(projections(moe + "shared_experts."), c.shared_size, c.hidden_size);
}

}  // namespace

int64_t TensorSpec::num_values() const {
  int64_t count = 1;
  for (const int64_t extent : shape) {
    count *= extent;
  }
  return count;
}

std::vector<TensorSpec> m3_tensors(const M3Config& config) {
  const M3Config& c = config;
  const std::string model = "language_model.model.";
  Table table;
  table.add(model + "embed_tokens.weight", {c.vocab_size, c.hidden_size});
  for (int64_t l = 0; l < c.num_layers; ++l) {
    const std::string base = model + "layers." + std::to_string(l) + ".";
    add_attention(table, c, base, c.sparse_layers[static_cast<size_t>(l)] != 0);
    if (c.moe_layers[static_cast<size_t>(l)] != 0) {
      add_experts(table, c, base);
    } else {
      table.add_mlp(projections(base + "mlp."), c.dense_size, c.hidden_size);
    }
  }
  table.add(model + "norm.weight", {c.hidden_size});
  table.add("language_model.lm_head.weight", {c.vocab_size, c.hidden_size});
  return table.take();
}

std::vector<TensorSpec> m3_vision_tensors() {
  constexpr int64_t kWidth = 1280;
  constexpr int64_t kHidden = 6144;
  const std::string tower = "vision_tower.vision_model.";
  Table table;
  table.add(tower + "embeddings.patch_embedding.weight", {kWidth, 3, 2, 14, 14}, "F32");
  table.add_with_bias(tower + "pre_layrnorm", {kWidth});
  for (int layer = 0; layer < 32; ++layer) {
    const std::string base = tower + "encoder.layers." + std::to_string(layer) + ".";
    table.add_with_bias(base + "layer_norm1", {kWidth});
    table.add_with_bias(base + "layer_norm2", {kWidth});
    for (const char* name : {"q_proj", "k_proj", "v_proj", "out_proj"}) {
      table.add_with_bias(base + "self_attn." + name, {kWidth, kWidth});
    }
    table.add_with_bias(base + "mlp.fc1", {5120, kWidth});
    table.add_with_bias(base + "mlp.fc2", {kWidth, 5120});
  }
  table.add_with_bias("multi_modal_projector.linear_1", {kHidden, kWidth});
  table.add_with_bias("multi_modal_projector.linear_2", {kHidden, kHidden});
  table.add_with_bias("patch_merge_mlp.linear_1", {kHidden, 24576});
  table.add_with_bias("patch_merge_mlp.linear_2", {kHidden, kHidden});
  return table.take();
}

M3Config real_m3_config() {
  M3Config c;
  c.vocab_size = 200064;
  c.hidden_size = 6144;
  c.num_layers = 60;
  c.num_heads = 64;
  c.num_kv_heads = 4;
  c.head_dim = 128;
  c.rotary_dim = 64;
  c.dense_size = 12288;
  c.expert_size = 3072;
  c.shared_size = 3072;
  c.num_experts = 128;
  c.experts_per_token = 4;
  c.index_dim = 128;
  c.max_positions = 1048576;
  for (int64_t l = 0; l < c.num_layers; ++l) {
    c.moe_layers.push_back(l >= 3 ? 1 : 0);
    c.sparse_layers.push_back(l >= 3 ? 1 : 0);
  }
  return c;
}

}  // namespace talon::oracle
