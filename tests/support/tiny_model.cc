#include "support/tiny_model.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <fstream>
#include <map>

#include "base/check.h"
#include "oracle/m3_tensors.h"
#include "support/config_json.h"
#include "support/random_weights.h"
#include "support/tiny_tokenizer.h"

namespace talon::test {
namespace {

void write_text(const std::filesystem::path& path, const std::string& text) {
  std::ofstream out(path, std::ios::binary);
  out << text;
  out.close();
  TALON_CHECK(out.good(), "cannot write {}", path.string());
}

// `source_name` chooses the random values; it differs from `name` where one tensor equals another.
StoredTensor random_tensor(uint64_t seed,
                           const std::string& name,
                           const oracle::TensorSpec& source) {
  StoredTensor out{name, source.dtype, source.shape, {}};
  const std::vector<uint16_t> bits = random_bf16(seed, source.name, source.shape);
  if (source.dtype == "BF16") {
    out.bytes.resize(bits.size() * sizeof(uint16_t));
    std::memcpy(out.bytes.data(), bits.data(), out.bytes.size());
    return out;
  }
  std::vector<float> values(bits.size());
  std::ranges::transform(bits, values.begin(), from_bf16);
  out.bytes.resize(values.size() * sizeof(float));
  std::memcpy(out.bytes.data(), values.data(), out.bytes.size());
  return out;
}

void add_draft_vocabulary(std::vector<StoredTensor>& tensors, int64_t draft_size, int64_t size) {
  const std::vector<int64_t> offsets = draft_to_target(draft_size, size);
  StoredTensor d2t{"d2t", "I64", {draft_size}, std::vector<uint8_t>(offsets.size() * 8)};
  std::memcpy(d2t.bytes.data(), offsets.data(), d2t.bytes.size());
  StoredTensor t2d{"t2d", "BOOL", {size}, std::vector<uint8_t>(static_cast<size_t>(size), 0)};
  for (size_t id = 0; id < offsets.size(); ++id) {
    t2d.bytes[id + static_cast<size_t>(offsets[id])] = 1;
  }
  tensors.push_back(std::move(d2t));
  tensors.push_back(std::move(t2d));
}

// Names without the layer's prefix, which the options choose.
std::vector<oracle::TensorSpec> head_layer_specs(const oracle::Eagle3Config& c) {
  const int64_t q_width = c.num_heads * c.head_dim;
  const int64_t kv_width = c.num_kv_heads * c.head_dim;
  return {{"input_layernorm.weight", {c.hidden_size}, "BF16"},
          {"hidden_norm.weight", {c.hidden_size}, "BF16"},
          {"post_attention_layernorm.weight", {c.hidden_size}, "BF16"},
          {"self_attn.q_proj.weight", {q_width, 2 * c.hidden_size}, "BF16"},
          {"self_attn.k_proj.weight", {kv_width, 2 * c.hidden_size}, "BF16"},
          {"self_attn.v_proj.weight", {kv_width, 2 * c.hidden_size}, "BF16"},
          {"self_attn.o_proj.weight", {c.hidden_size, q_width}, "BF16"},
          {"mlp.gate_proj.weight", {c.intermediate_size, c.hidden_size}, "BF16"},
          {"mlp.up_proj.weight", {c.intermediate_size, c.hidden_size}, "BF16"},
          {"mlp.down_proj.weight", {c.hidden_size, c.intermediate_size}, "BF16"}};
}

void add_shared(std::vector<StoredTensor>& tensors,
                uint64_t seed,
                SharedTensor how,
                const std::string& target_name,
                oracle::TensorSpec spec) {
  if (how == SharedTensor::kAbsent) {
    return;
  }
  const std::string name = spec.name;
  if (how == SharedTensor::kEqualToTarget) {
    spec.name = target_name;
  }
  tensors.push_back(random_tensor(seed, name, spec));
}

}  // namespace

oracle::M3Config tiny_m3_config() {
  oracle::M3Config c;
  c.vocab_size = 320;
  c.hidden_size = 64;
  c.num_layers = 6;
  c.num_heads = 4;
  c.num_kv_heads = 2;
  c.head_dim = 32;
  c.rotary_dim = 16;
  c.dense_size = 128;
  c.expert_size = 64;
  c.shared_size = 64;
  c.num_experts = 8;
  c.experts_per_token = 2;
  c.moe_layers = {0, 1, 1, 1, 1, 1};
  c.sparse_layers = c.moe_layers;
  c.index_dim = 32;
  c.topk_blocks = 2;
  return c;
}

std::vector<StoredTensor> target_tensors(const TargetOptions& options) {
  std::vector<StoredTensor> out;
  for (const oracle::TensorSpec& spec : oracle::m3_tensors(options.config)) {
    StoredTensor tensor = random_tensor(options.seed, spec.name, spec);
    if (is_quantised(spec.name, options.format)) {
      std::ranges::move(quantise(tensor, options.format), std::back_inserter(out));
    } else {
      out.push_back(std::move(tensor));
    }
  }
  return out;
}

void write_target(const std::filesystem::path& folder, const TargetOptions& options) {
  std::filesystem::create_directories(folder);
  const oracle::M3Config& c = options.config;
  write_text(folder / "config.json",
             m3_config_text(c, quantization_config(options.format, c.moe_layers)));
  write_sharded(folder, target_tensors(options), options.shard_bytes);
  if (options.with_tokenizer && c.vocab_size >= kTinyTokenizerIds) {
    write_tiny_tokenizer(folder, c.max_positions);
  }
}

oracle::Eagle3Config tiny_eagle3_config(const oracle::M3Config& target) {
  oracle::Eagle3Config c;
  c.vocab_size = target.vocab_size;
  c.draft_vocab_size = target.vocab_size;
  c.hidden_size = target.hidden_size;
  c.target_hidden_size = target.hidden_size;
  c.intermediate_size = 2 * target.hidden_size;
  c.num_heads = 4;
  c.num_kv_heads = 2;
  c.head_dim = 32;
  c.tap_layers = {2, target.num_layers / 2, target.num_layers - 3};
  return c;
}

std::vector<int64_t> draft_to_target(int64_t draft_vocab_size, int64_t vocab_size) {
  std::vector<int64_t> offsets;
  for (int64_t id = 0; id < draft_vocab_size; ++id) {
    offsets.push_back(id * vocab_size / draft_vocab_size - id);
  }
  return offsets;
}

std::vector<StoredTensor> head_tensors(const HeadOptions& options) {
  const oracle::Eagle3Config& c = options.config;
  const bool is_reduced = c.draft_vocab_size != c.vocab_size;
  TALON_CHECK(!is_reduced || options.lm_head == SharedTensor::kOwn, "reduced vocabulary, no head");
  const auto num_taps = std::ssize(c.tap_layers);
  std::vector<StoredTensor> out;
  add_shared(out, options.seed, options.embedding, "language_model.model.embed_tokens.weight",
             {"embed_tokens.weight", {c.vocab_size, c.hidden_size}, "BF16"});
  const auto add = [&](const std::string& name, const oracle::TensorSpec& spec) {
    out.push_back(random_tensor(options.seed, name, spec));
  };
  const int64_t fc_in = num_taps * c.target_hidden_size;
  add("fc.weight", {"fc.weight", {c.hidden_size, fc_in}, "BF16"});
  for (int64_t i = 0; c.fc_norm && i < num_taps; ++i) {
    const std::string name = fmt::format("fc_norm.{}.weight", i);
    add(name, {name, {c.target_hidden_size}, "BF16"});
  }
  for (const oracle::TensorSpec& spec : head_layer_specs(c)) {
    add(options.layer_prefix + spec.name, spec);
  }
  add("norm.weight", {"norm.weight", {c.hidden_size}, "BF16"});
  add_shared(out, options.seed, options.lm_head, "language_model.lm_head.weight",
             {"lm_head.weight", {c.draft_vocab_size, c.hidden_size}, "BF16"});
  if (is_reduced) {
    add_draft_vocabulary(out, c.draft_vocab_size, c.vocab_size);
  }
  return out;
}

void write_head(const std::filesystem::path& folder, const HeadOptions& options) {
  std::filesystem::create_directories(folder);
  write_text(folder / "config.json", eagle3_config_text(options.config, options.max_positions));
  write_safetensors(folder / "model.safetensors", head_tensors(options));
}

void write_real_m3_headers(const std::filesystem::path& folder) {
  constexpr size_t kFiles = 59;
  std::filesystem::create_directories(folder);
  const oracle::M3Config config = oracle::real_m3_config();
  write_text(folder / "config.json", m3_config_text(config));
  std::vector<oracle::TensorSpec> specs = oracle::m3_tensors(config);
  std::ranges::move(oracle::m3_vision_tensors(), std::back_inserter(specs));
  std::vector<std::vector<StoredTensor>> shards(kFiles);
  for (size_t i = 0; i < specs.size(); ++i) {
    shards[i * kFiles / specs.size()].push_back(
        {specs[i].name, specs[i].dtype, specs[i].shape, {}});
  }
  for (size_t i = 0; i < kFiles; ++i) {
    write_sparse_safetensors(folder / shard_name(i, kFiles), shards[i]);
  }
  write_index(folder, shards);
}

}  // namespace talon::test
