#include "model/eagle3/weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "base/error.h"
#include "base/log.h"
#include "model/eagle3/tensor_table.h"

namespace talon {
namespace {

constexpr std::string_view kConfigFile = "config.json";

[[noreturn]] void misfit(const Checkpoint& checkpoint, std::string_view text) {
  throw Error(ErrorCode::kInvalidArgument,
              fmt::format("{}: {}", (checkpoint.folder() / kConfigFile).string(), text));
}

void check_fit(const Checkpoint& checkpoint, const Eagle3Config& config, const Model& target) {
  const ModelLimits& limits = target.limits();
  if (config.target_hidden_size != limits.hidden_size) {
    misfit(checkpoint, fmt::format("target_hidden_size: {}, but the target's hidden_size is {}",
                                   config.target_hidden_size, limits.hidden_size));
  }
  if (config.vocab_size != limits.vocab_size) {
    misfit(checkpoint, fmt::format("vocab_size: {}, but the target's is {}", config.vocab_size,
                                   limits.vocab_size));
  }
}

// What may be absent is the target's, and then must have its shape.
void check_aliases(const Checkpoint& checkpoint,
                   const Eagle3Config& config,
                   const TensorSource& source) {
  const bool same_width = config.hidden_size == config.target_hidden_size;
  for (const std::string_view name : {"embed_tokens.weight", "lm_head.weight"}) {
    const bool same_rows = name != "lm_head.weight" || config.draft_vocab_size == config.vocab_size;
    if (!source.has(name) && !(same_width && same_rows)) {
      throw Error(ErrorCode::kCorruptFile,
                  fmt::format("{}: tensor \"{}\": missing, and the target's has another shape",
                              checkpoint.folder().string(), name));
    }
  }
}

bool same_bytes(Uploader* uploader, const ConstTensorView& a, const ConstTensorView& b) {
  if (a.empty() || b.empty()) {
    return a.empty() == b.empty();
  }
  if (a.dtype() != b.dtype() || !(a.shape() == b.shape()) || !a.is_contiguous() ||
      !b.is_contiguous()) {
    return false;
  }
  const int64_t num_bytes = a.shape().num_elements() * dtype_bytes(a.dtype());
  return uploader == nullptr ? std::memcmp(a.data(), b.data(), static_cast<size_t>(num_bytes)) == 0
                             : uploader->same_bytes(a.data(), b.data(), num_bytes);
}

void load_embedding(const TensorSource& source, const Model& target, Eagle3Weights& weights) {
  constexpr std::string_view kName = "embed_tokens.weight";
  const ConstTensorView of_target = target.embedding();
  weights.embedding_is_aliased = true;
  weights.embedding = of_target;
  if (!source.has(kName)) {
    return;
  }
  std::vector<Buffer> own;
  const ConstTensorView view = source.copy(kName, own);
  if (!same_bytes(source.uploader(), view, of_target)) {
    weights.embedding_is_aliased = false;
    weights.embedding = view;
    weights.storage.push_back(std::move(own[0]));
  }
}

void load_head(const TensorSource& source, const Model& target, Eagle3Weights& weights) {
  constexpr std::string_view kName = "lm_head.weight";
  const Weight& of_target = target.head();
  weights.head_is_aliased = true;
  weights.head = of_target;
  if (!source.has(kName)) {
    return;
  }
  PackedWeight own = source.pack(kName);
  const Weight& view = own.weight();
  const bool same = view.format == of_target.format && view.layout == of_target.layout &&
                    view.num_out == of_target.num_out && view.num_in == of_target.num_in &&
                    same_bytes(source.uploader(), view.values, of_target.values) &&
                    same_bytes(source.uploader(), view.scales, of_target.scales);
  if (!same) {
    weights.head_is_aliased = false;
    weights.own_head = std::move(own);
    weights.head = weights.own_head.weight();
  }
}

// d2t holds offsets: target id = draft id + offset.
std::vector<int32_t> load_vocabulary_map(const Checkpoint& checkpoint,
                                         const Eagle3Config& config,
                                         const TensorSource& source) {
  if (!source.has("d2t")) {
    return {};
  }
  const std::string_view bytes = source.bytes("d2t");
  std::vector<int64_t> offsets(static_cast<size_t>(config.draft_vocab_size));
  std::memcpy(offsets.data(), bytes.data(), bytes.size());
  if (std::all_of(offsets.begin(), offsets.end(), [](int64_t offset) { return offset == 0; })) {
    return {};
  }
  std::vector<int32_t> map;
  for (size_t draft = 0; draft < offsets.size(); ++draft) {
    const auto id = static_cast<int64_t>(draft);
    if (offsets[draft] < -id || offsets[draft] >= config.vocab_size - id) {
      throw Error(ErrorCode::kCorruptFile,
                  problem_text(checkpoint,
                               {.file_name = checkpoint.find("d2t")->file_name,
                                .text = fmt::format(
                                    "tensor \"d2t\": entry {} has offset {}, outside vocab_size {}",
                                    draft, offsets[draft], config.vocab_size)}));
    }
    map.push_back(static_cast<int32_t>(id + offsets[draft]));
  }
  return map;
}

// The gains of all taps as one array [A, C_t].
ConstTensorView load_fc_gains(const TensorSource& source,
                              const Eagle3Config& config,
                              std::vector<Buffer>& storage) {
  const int64_t row_bytes = int64_t{config.target_hidden_size} * dtype_bytes(DType::kBf16);
  std::vector<std::byte> gains(static_cast<size_t>(config.num_taps * row_bytes));
  for (int32_t tap = 0; tap < config.num_taps; ++tap) {
    const std::string_view bytes = source.bytes(fmt::format("fc_norm.{}.weight", tap));
    std::memcpy(gains.data() + tap * row_bytes, bytes.data(), bytes.size());
  }
  const Buffer& buffer =
      storage.emplace_back(place(source.uploader(), gains.data(), std::ssize(gains)));
  return buffer.view(DType::kBf16, {config.num_taps, config.target_hidden_size});
}

void load_layer(const TensorSource& source, Eagle3Weights& weights) {
  const std::string prefix = "layers.0.";
  const auto stack = [&](std::vector<std::string> names) {
    for (std::string& name : names) {
      name.insert(0, prefix);
    }
    return source.stack(names);
  };
  const auto gain = [&](const std::string& name) {
    return source.copy(prefix + name, weights.storage);
  };
  weights.input_gain = gain("input_layernorm.weight");
  weights.hidden_gain = gain("hidden_norm.weight");
  weights.post_gain = gain("post_attention_layernorm.weight");
  weights.qkv =
      stack({"self_attn.q_proj.weight", "self_attn.k_proj.weight", "self_attn.v_proj.weight"});
  weights.output = stack({"self_attn.o_proj.weight"});
  weights.gate_up = stack({"mlp.gate_proj.weight", "mlp.up_proj.weight"});
  weights.down = stack({"mlp.down_proj.weight"});
}

}  // namespace

std::vector<int32_t> settle_taps(const std::filesystem::path& folder,
                                 const Eagle3Config& config,
                                 int32_t num_target_layers) {
  const std::string file = (folder / kConfigFile).string();
  const std::string_view key = "eagle_aux_hidden_state_layer_ids";
  std::vector<int32_t> taps = config.taps;
  if (taps.empty()) {
    taps = default_taps(num_target_layers);
    const bool usable =
        std::ssize(taps) == config.num_taps && std::is_sorted(taps.begin(), taps.end());
    if (!usable) {
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("{}: {}: missing, and no default fits {} taps of {} layers", file,
                              key, config.num_taps, num_target_layers));
    }
    log(LogLevel::kWarn, "model", "file={} {} is missing: taps={},{},{}", file, key, taps[0],
        taps[1], taps[2]);
  }
  if (taps.back() >= num_target_layers) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("{}: {}: layer {} is not among the target's {}", file, key, taps.back(),
                            num_target_layers));
  }
  return taps;
}

Eagle3Weights load_eagle3_weights(const Checkpoint& checkpoint,
                                  const Eagle3Config& config,
                                  const Model& target,
                                  Uploader* uploader) {
  check_fit(checkpoint, config, target);
  Eagle3Weights weights;
  weights.taps = settle_taps(checkpoint.folder(), config, target.limits().num_layers);
  const TensorSource source(checkpoint, eagle3_tensor_table(config), uploader);
  check_aliases(checkpoint, config, source);
  load_embedding(source, target, weights);
  load_head(source, target, weights);
  weights.draft_to_target = load_vocabulary_map(checkpoint, config, source);
  if (config.fc_norm) {
    weights.fc_gains = load_fc_gains(source, config, weights.storage);
  }
  weights.fc = source.pack("fc.weight");
  load_layer(source, weights);
  weights.final_gain = source.copy("norm.weight", weights.storage);
  return weights;
}

}  // namespace talon
