#include "support/quantise.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "base/check.h"
#include "base/json.h"
#include "oracle/dequant_oracle.h"
#include "support/random_weights.h"

namespace talon::test {
namespace {

// The code whose magnitude is nearest, ties to the even code; then the sign. `magnitudes` ascends,
// and the last one is what larger values saturate at.
uint8_t nearest_code(double value, const std::vector<double>& magnitudes, int sign_bit) {
  const double wanted = std::min(std::abs(value), magnitudes.back());
  const auto above = std::ranges::lower_bound(magnitudes, wanted);
  auto code = static_cast<int>(above - magnitudes.begin());
  if (code > 0) {
    const double down = wanted - magnitudes[static_cast<size_t>(code) - 1];
    const double up = magnitudes[static_cast<size_t>(code)] - wanted;
    if (down < up || (down == up && code % 2 != 0)) {
      --code;
    }
  }
  return static_cast<uint8_t>(code | (std::signbit(value) ? sign_bit : 0));
}

std::vector<double> magnitudes_of(double (*value)(uint8_t), int count) {
  std::vector<double> magnitudes;
  for (int code = 0; code < count; ++code) {
    magnitudes.push_back(value(static_cast<uint8_t>(code)));
  }
  return magnitudes;
}

std::vector<double> widen(const StoredTensor& tensor) {
  TALON_CHECK(tensor.dtype == "BF16" && tensor.shape.size() == 2, "{} is not a BF16 matrix",
              tensor.name);
  std::vector<double> out(static_cast<size_t>(tensor.num_values()));
  for (size_t i = 0; i < out.size(); ++i) {
    uint16_t bits = 0;
    std::memcpy(&bits, tensor.bytes.data() + 2 * i, sizeof(bits));
    out[i] = oracle::bf16_value(bits);
  }
  return out;
}

// The OCP rule: exponent of the largest magnitude less the format's largest exponent.
uint8_t shared_exponent(const double* values, int largest_exponent) {
  double top = 0.0;
  for (int i = 0; i < 32; ++i) {
    top = std::max(top, std::abs(values[i]));
  }
  if (top == 0.0) {
    return 127;
  }
  return static_cast<uint8_t>(std::clamp(std::ilogb(top) - largest_exponent + 127, 0, 254));
}

std::string with_suffix(const StoredTensor& weight, const std::string& suffix) {
  constexpr std::string_view kWeight = ".weight";
  TALON_CHECK(weight.name.ends_with(kWeight), "{} is not a weight", weight.name);
  return weight.name.substr(0, weight.name.size() - kWeight.size()) + suffix;
}

std::vector<StoredTensor> quantise_mx(const StoredTensor& weight, bool is_fp4) {
  const std::vector<double> values = widen(weight);
  const int64_t rows = weight.shape[0];
  const int64_t cols = weight.shape[1];
  TALON_CHECK(cols % 32 == 0, "{}: {} columns", weight.name, cols);
  StoredTensor codes{weight.name, is_fp4 ? "U8" : "F8_E4M3", {rows, is_fp4 ? cols / 2 : cols}, {}};
  StoredTensor scales{with_suffix(weight, is_fp4 ? ".weight_scale" : ".weight_scale_inv"),
                      "U8",
                      {rows, cols / 32},
                      {}};
  for (size_t i = 0; i < values.size(); ++i) {
    if (i % 32 == 0) {
      scales.bytes.push_back(shared_exponent(values.data() + i, is_fp4 ? 2 : 8));
    }
    const double scaled = std::ldexp(values[i], 127 - scales.bytes.back());
    if (!is_fp4) {
      codes.bytes.push_back(to_e4m3(scaled));
    } else if (i % 2 == 0) {
      codes.bytes.push_back(to_e2m1(scaled));
    } else {
      codes.bytes.back() = static_cast<uint8_t>(codes.bytes.back() | (to_e2m1(scaled) << 4));
    }
  }
  return {codes, scales};
}

std::vector<StoredTensor> quantise_fp8(const StoredTensor& weight, bool is_block) {
  const std::vector<double> values = widen(weight);
  const int64_t rows = weight.shape[0];
  const int64_t cols = weight.shape[1];
  const int64_t tile_rows = is_block ? 128 : 1;
  const int64_t tile_cols = is_block ? 128 : cols;
  const int64_t num_across = (cols + tile_cols - 1) / tile_cols;
  const int64_t num_down = (rows + tile_rows - 1) / tile_rows;
  const auto scale_index = [&](size_t i) {
    const auto at = static_cast<int64_t>(i);
    return static_cast<size_t>(at / cols / tile_rows * num_across + at % cols / tile_cols);
  };

  std::vector<float> scales(static_cast<size_t>(num_down * num_across), 0.0F);
  for (size_t i = 0; i < values.size(); ++i) {
    float& scale = scales[scale_index(i)];
    scale = std::max(scale, static_cast<float>(std::abs(values[i]) / 448.0));
  }
  for (float& scale : scales) {
    scale = scale == 0.0F ? 1.0F : scale;
  }
  StoredTensor codes{weight.name, "F8_E4M3", weight.shape, {}};
  for (size_t i = 0; i < values.size(); ++i) {
    codes.bytes.push_back(to_e4m3(values[i] / double{scales[scale_index(i)]}));
  }
  StoredTensor stored{with_suffix(weight, is_block ? ".weight_scale_inv" : ".weight_scale"),
                      "F32",
                      {num_down, num_across},
                      std::vector<uint8_t>(scales.size() * sizeof(float))};
  std::memcpy(stored.bytes.data(), scales.data(), stored.bytes.size());
  return {codes, stored};
}

Json unquantised_layers(const std::vector<int>& moe_layers) {
  Json names = {"lm_head", "model.embed_tokens", "vision_tower", "multi_modal_projector",
                "patch_merge_mlp"};
  for (size_t layer = 0; layer < moe_layers.size(); ++layer) {
    if (moe_layers[layer] != 0) {
      names.push_back(fmt::format("language_model.model.layers.{}.block_sparse_moe.gate", layer));
    }
  }
  return names;
}

Json quark_config() {
  Json weight = {{"dtype", "fp4"}, {"qscheme", "per_group"}, {"group_size", 32},
                 {"ch_axis", -1},  {"scale_format", "e8m0"}, {"is_dynamic", false}};
  Json input = weight;
  input["is_dynamic"] = true;
  return {{"quant_method", "quark"},
          {"global_quant_config",
           {{"weight", weight}, {"input_tensors", input}, {"output_tensors", nullptr}}},
          {"layer_quant_config", Json::object()},
          {"layer_type_quant_config", Json::object()},
          {"exclude",
           {"*lm_head", "*vision_tower*", "*multi_modal_projector*", "*patch_merge_mlp*",
            "*block_sparse_moe.gate", "*self_attn*", "*mlp.gate_proj", "*mlp.up_proj",
            "*mlp.down_proj"}},
          {"export", {{"weight_format", "real_quantized"}, {"pack_method", "reorder"}}}};
}

}  // namespace

uint8_t to_e4m3(double value) {
  static const std::vector<double> kMagnitudes = magnitudes_of(oracle::e4m3_value, 127);
  return nearest_code(value, kMagnitudes, 0x80);
}

uint8_t to_e2m1(double value) {
  static const std::vector<double> kMagnitudes = magnitudes_of(oracle::e2m1_value, 8);
  return nearest_code(value, kMagnitudes, 8);
}

std::vector<StoredTensor> quantise(const StoredTensor& weight, QuantFormat format) {
  switch (format) {
    case QuantFormat::kMxfp8:
      return quantise_mx(weight, false);
    case QuantFormat::kMxfp4:
      return quantise_mx(weight, true);
    case QuantFormat::kFp8Channel:
      return quantise_fp8(weight, false);
    case QuantFormat::kFp8Block:
      return quantise_fp8(weight, true);
    case QuantFormat::kBf16:
      break;
  }
  return {weight};
}

bool is_quantised(const std::string& name, QuantFormat format) {
  const auto holds = [&](const char* part) { return name.find(part) != std::string::npos; };
  const bool is_expert =
      holds("block_sparse_moe.experts.") || holds("block_sparse_moe.shared_experts.");
  if (format == QuantFormat::kBf16 || format == QuantFormat::kMxfp4) {
    return format == QuantFormat::kMxfp4 && is_expert;
  }
  return is_expert || name.ends_with("_proj.weight");
}

std::string quantization_config(QuantFormat format, const std::vector<int>& moe_layers) {
  Json config;
  switch (format) {
    case QuantFormat::kBf16:
      return {};
    case QuantFormat::kMxfp4:
      return quark_config().dump();
    case QuantFormat::kMxfp8:
      config = {{"quant_method", "mxfp8"}, {"weight_block_size", {1, 32}}};
      break;
    case QuantFormat::kFp8Block:
      config = {{"quant_method", "fp8"}, {"weight_block_size", {128, 128}}};
      break;
    case QuantFormat::kFp8Channel:
      config = {{"quant_method", "fp8"}};
      break;
  }
  config["activation_scheme"] = "dynamic";
  config["ignored_layers"] = unquantised_layers(moe_layers);
  return config.dump();
}

}  // namespace talon::test
