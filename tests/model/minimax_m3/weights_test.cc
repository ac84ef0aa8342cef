// Random checkpoints of the tiny model in every format. What was loaded is compared, byte for byte,
// with the same tensors packed from the writer's own copy; faults are made by changing one tensor.
// Covers: model/quantisation model/tensor_table
#include "model/minimax_m3/weights.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "model/minimax_m3/kv_layout.h"
#include "model/minimax_m3/tensor_table.h"
#include "support/config_json.h"
#include "support/error_message.h"
#include "support/safetensors_writer.h"
#include "support/temp_dir.h"
#include "support/tiny_model.h"

namespace talon {
namespace {

using test::QuantFormat;
using test::StoredTensor;
using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

using Tensors = std::vector<StoredTensor>;

StoredTensor& find(Tensors& tensors, const std::string& name) {
  const auto at =
      std::ranges::find(tensors, "language_model." + name, [](const auto& t) { return t.name; });
  TALON_CHECK(at != tensors.end(), "no tensor {}", name);
  return *at;
}

// A copy of the tensors of one format, made once.
Tensors tensors_of(QuantFormat format) {
  static std::map<QuantFormat, Tensors> made;
  const auto at = made.find(format);
  return at != made.end()
             ? at->second
             : made.emplace(format, test::target_tensors({.format = format})).first->second;
}

// A checkpoint folder with these tensors in one file.
class Folder {
 public:
  explicit Folder(const Tensors& tensors) {
    dir_.write("config.json", "{}");
    test::write_safetensors(dir_ / "model.safetensors", tensors);
  }

  M3Weights load(const OnlineQuantConfig& quant = {}) const {
    return load_m3_weights(Checkpoint::open(dir_.path()), config(), nullptr, quant);
  }
  std::string message() const {
    return test::error_message([&] { load(); });
  }
  std::string file() const { return (dir_ / "model.safetensors").string(); }
  const std::filesystem::path& path() const { return dir_.path(); }

  static M3Config config() {
    return parse_m3_config(test::m3_config_text(test::tiny_m3_config())).value();
  }

 private:
  test::TempDir dir_;
};

std::string message_after(const std::function<void(Tensors&)>& change,
                          QuantFormat format = QuantFormat::kBf16) {
  Tensors tensors = tensors_of(format);
  change(tensors);
  return Folder(tensors).message();
}

WeightFormat weight_format(QuantFormat format) {
  switch (format) {
    case QuantFormat::kBf16:
      return WeightFormat::kBf16;
    case QuantFormat::kMxfp8:
      return WeightFormat::kMxfp8;
    case QuantFormat::kMxfp4:
      return WeightFormat::kMxfp4;
    case QuantFormat::kFp8Channel:
      return WeightFormat::kFp8Channel;
    case QuantFormat::kFp8Block:
      return WeightFormat::kFp8Block;
  }
  return WeightFormat::kBf16;
}

// The tensor and its scales, packed from the writer's copy.
PackedWeight packed(Tensors& tensors, const std::vector<std::string>& names) {
  std::vector<Weight> parts;
  for (const std::string& name : names) {
    const StoredTensor& values = find(tensors, name + ".weight");
    const bool is_fp4 = values.dtype == "U8";
    Weight part;
    part.num_out = values.shape[0];
    part.num_in = values.shape[1] * (is_fp4 ? 2 : 1);
    const auto view = [](const StoredTensor& tensor, DType dtype) {
      return ConstTensorView(reinterpret_cast<const std::byte*>(tensor.bytes.data()), dtype,
                             Shape{tensor.shape[0], tensor.shape[1]});
    };
    part.values = view(values, values.dtype == "BF16" ? DType::kBf16
                               : is_fp4               ? DType::kU8
                                                      : DType::kF8E4M3);
    for (const char* suffix : {".weight_scale_inv", ".weight_scale"}) {
      for (const StoredTensor& scales : tensors) {
        if (scales.name == "language_model." + name + suffix) {
          part.scales = view(scales, scales.dtype == "U8" ? DType::kU8 : DType::kF32);
          part.format = scales.dtype == "U8"
                            ? (is_fp4 ? WeightFormat::kMxfp4 : WeightFormat::kMxfp8)
                        : scales.shape[0] == part.num_out ? WeightFormat::kFp8Channel
                                                          : WeightFormat::kFp8Block;
        }
      }
    }
    parts.push_back(part);
  }
  return PackedWeight::stack(parts);
}

bool same_view(const ConstTensorView& a, const ConstTensorView& b) {
  return a.empty() == b.empty() &&
         (a.empty() || (a.dtype() == b.dtype() && a.shape() == b.shape() &&
                        std::memcmp(a.data(), b.data(),
                                    static_cast<size_t>(a.shape().num_elements() *
                                                        dtype_bytes(a.dtype()))) == 0));
}

void expect_same(const PackedWeight& loaded, const PackedWeight& expected) {
  EXPECT_EQ(loaded.weight().format, expected.weight().format);
  EXPECT_EQ(loaded.weight().num_out, expected.weight().num_out);
  EXPECT_TRUE(same_view(loaded.weight().values, expected.weight().values));
  EXPECT_TRUE(same_view(loaded.weight().scales, expected.weight().scales));
}

class M3WeightsFormatTest : public testing::TestWithParam<QuantFormat> {};

TEST_P(M3WeightsFormatTest, LoadsTheMatricesOfASparseMoeLayer) {
  Tensors tensors = tensors_of(GetParam());

  const M3Weights weights = Folder(tensors).load();

  const std::string layer = "model.layers.3.";
  const M3LayerWeights& loaded = weights.layers[3];
  const std::string attention = layer + "self_attn.";
  expect_same(loaded.attention.qkv,
              packed(tensors, {attention + "q_proj", attention + "k_proj", attention + "v_proj",
                               attention + "index_q_proj", attention + "index_k_proj"}));
  expect_same(loaded.attention.output, packed(tensors, {attention + "o_proj"}));
  const std::string moe = layer + "block_sparse_moe.";
  expect_same(loaded.moe.gate_ups[5],
              packed(tensors, {moe + "experts.5.w1", moe + "experts.5.w3"}));
  expect_same(loaded.moe.downs[5], packed(tensors, {moe + "experts.5.w2"}));
  expect_same(loaded.moe.shared_gate_up,
              packed(tensors, {moe + "shared_experts.gate_proj", moe + "shared_experts.up_proj"}));
  expect_same(loaded.moe.shared_down, packed(tensors, {moe + "shared_experts.down_proj"}));
  EXPECT_EQ(loaded.moe.gate_ups[5].weight().format, weight_format(GetParam()));
}

INSTANTIATE_TEST_SUITE_P(AllFormats,
                         M3WeightsFormatTest,
                         testing::Values(QuantFormat::kBf16,
                                         QuantFormat::kMxfp8,
                                         QuantFormat::kMxfp4,
                                         QuantFormat::kFp8Channel,
                                         QuantFormat::kFp8Block));

// Everything packed, in one order.
std::vector<const PackedWeight*> all_packed(const M3Weights& weights) {
  std::vector<const PackedWeight*> all = {&weights.head};
  for (const M3LayerWeights& layer : weights.layers) {
    for (const PackedWeight* weight :
         {&layer.attention.qkv, &layer.attention.output, &layer.mlp.gate_up, &layer.mlp.down,
          &layer.moe.shared_gate_up, &layer.moe.shared_down}) {
      all.push_back(weight);
    }
    for (const auto* experts : {&layer.moe.gate_ups, &layer.moe.downs}) {
      for (const PackedWeight& weight : *experts) {
        all.push_back(&weight);
      }
    }
  }
  return all;
}

struct OnlineCase {
  QuantFormat format;
  const char* config;
};

class M3OnlineQuantTest : public testing::TestWithParam<OnlineCase> {};

TEST_P(M3OnlineQuantTest, GivesTheBitsOfAnOfflineConversion) {
  const Folder offline(tensors_of(GetParam().format));
  const Folder bf16(tensors_of(QuantFormat::kBf16));

  const M3Weights expected = offline.load();
  const M3Weights loaded = bf16.load(parse_online_quant(GetParam().config).value());

  const auto expected_weights = all_packed(expected);
  const auto loaded_weights = all_packed(loaded);
  ASSERT_EQ(loaded_weights.size(), expected_weights.size());
  for (size_t i = 0; i < loaded_weights.size(); ++i) {
    expect_same(*loaded_weights[i], *expected_weights[i]);
  }
  EXPECT_EQ(loaded.layers[3].moe.downs[0].weight().format, weight_format(GetParam().format));
}

INSTANTIATE_TEST_SUITE_P(
    AllFormats,
    M3OnlineQuantTest,
    testing::Values(
        OnlineCase{QuantFormat::kFp8Channel,
                   R"({"global_quant_config": "ptpc_fp8", "exclude_layer": ["lm_head"]})"},
        OnlineCase{QuantFormat::kFp8Block,
                   R"({"global_quant_config": "per_block_fp8", "exclude_layer": ["lm_head"]})"},
        OnlineCase{QuantFormat::kMxfp4, R"({"layer_quant_config": {"*expert*": "mxfp4"}})"}));

TEST(M3OnlineQuantSourceTest, QuantisedFilesStayAsTheyAre) {
  const Folder folder(tensors_of(QuantFormat::kMxfp8));

  const M3Weights loaded =
      folder.load({.global = WeightFormat::kFp8Channel, .layers = {}, .excluded = {}});

  EXPECT_EQ(loaded.layers[3].attention.qkv.weight().format, WeightFormat::kMxfp8);
  EXPECT_EQ(loaded.head.weight().format, WeightFormat::kFp8Channel);
}

TEST(M3OnlineQuantFaultsTest, WhatIsStackedMustBeTreatedAlike) {
  const Folder folder(tensors_of(QuantFormat::kBf16));
  const OnlineQuantConfig config =
      parse_online_quant(R"({"layer_quant_config": {"*k_proj": "ptpc_fp8"}})").value();

  EXPECT_EQ(test::error_message([&] { folder.load(config); }),
            folder.file() +
                ": tensor \"model.layers.0.self_attn.k_proj.weight\": fp8_channel, but "
                "\"model.layers.0.self_attn.q_proj.weight\" beside it is bf16");
}

TEST(M3OnlineQuantFaultsTest, NamesAWeightThatCannotBeQuantised) {
  Tensors tensors = tensors_of(QuantFormat::kBf16);
  StoredTensor& down = find(tensors, "model.layers.0.mlp.down_proj.weight");
  down.bytes[0] = 0xC0;
  down.bytes[1] = 0x7F;  // NaN
  const OnlineQuantConfig config{.global = WeightFormat::kFp8Channel, .layers = {}, .excluded = {}};

  EXPECT_THAT(test::error_message([&] { Folder(tensors).load(config); }),
              HasSubstr("\"model.layers.0.mlp.down_proj.weight\": a value that is not finite"));
}

TEST(M3WeightsTest, LoadsTheMatricesOfADenseLayer) {
  Tensors tensors = tensors_of(QuantFormat::kBf16);

  const M3Weights weights = Folder(tensors).load();

  const M3LayerWeights& loaded = weights.layers[0];
  const std::string layer = "model.layers.0.";
  expect_same(loaded.attention.qkv,
              packed(tensors, {layer + "self_attn.q_proj", layer + "self_attn.k_proj",
                               layer + "self_attn.v_proj"}));
  expect_same(loaded.mlp.gate_up,
              packed(tensors, {layer + "mlp.gate_proj", layer + "mlp.up_proj"}));
  expect_same(loaded.mlp.down, packed(tensors, {layer + "mlp.down_proj"}));
  EXPECT_TRUE(loaded.attention.index_q_gain.empty());
  EXPECT_TRUE(loaded.moe.experts.empty());
}

TEST(M3WeightsTest, CopiesGainsRouterAndEmbedding) {
  Tensors tensors = tensors_of(QuantFormat::kBf16);

  const M3Weights weights = Folder(tensors).load();

  const auto expect_copy = [&](const ConstTensorView& view, const std::string& name) {
    const StoredTensor& tensor = find(tensors, name);
    ASSERT_EQ(view.shape().num_elements() * dtype_bytes(view.dtype()), std::ssize(tensor.bytes));
    EXPECT_EQ(std::memcmp(view.data(), tensor.bytes.data(), tensor.bytes.size()), 0) << name;
  };
  const M3LayerWeights& layer = weights.layers[2];
  expect_copy(weights.embedding, "model.embed_tokens.weight");
  expect_copy(weights.final_gain, "model.norm.weight");
  expect_copy(layer.input_gain, "model.layers.2.input_layernorm.weight");
  expect_copy(layer.post_gain, "model.layers.2.post_attention_layernorm.weight");
  expect_copy(layer.attention.q_gain, "model.layers.2.self_attn.q_norm.weight");
  expect_copy(layer.attention.k_gain, "model.layers.2.self_attn.k_norm.weight");
  expect_copy(layer.attention.index_q_gain, "model.layers.2.self_attn.index_q_norm.weight");
  expect_copy(layer.attention.index_k_gain, "model.layers.2.self_attn.index_k_norm.weight");
  expect_copy(layer.moe.gate, "model.layers.2.block_sparse_moe.gate.weight");
  expect_copy(layer.moe.bias, "model.layers.2.block_sparse_moe.e_score_correction_bias");
  EXPECT_EQ(layer.moe.gate.dtype(), DType::kF32);
  EXPECT_EQ(layer.moe.gate.shape(), (Shape{8, 64}));
}

TEST(M3WeightsTest, ExpertViewsShowTheirPackedWeights) {
  const M3Weights weights = Folder(tensors_of(QuantFormat::kBf16)).load();

  const M3MoeWeights& moe = weights.layers[1].moe;
  ASSERT_EQ(moe.experts.size(), 8U);
  EXPECT_EQ(moe.experts[7].down.values.data(), moe.downs[7].weight().values.data());
  EXPECT_EQ(moe.experts[7].gate_up.values.data(), moe.gate_ups[7].weight().values.data());
  EXPECT_EQ(moe.shared.down.values.data(), moe.shared_down.weight().values.data());
}

TEST(M3WeightsTest, NamesAMissingTensorAndCountsTheRest) {
  const std::string message = message_after([](Tensors& tensors) {
    std::erase_if(tensors, [](const StoredTensor& t) {
      return t.name.ends_with("layers.4.self_attn.k_norm.weight") ||
             t.name.ends_with("layers.5.self_attn.k_norm.weight");
    });
  });

  EXPECT_THAT(
      message,
      EndsWith(R"(: tensor "model.layers.4.self_attn.k_norm.weight": missing (and 1 more))"));
}

TEST(M3WeightsTest, NamesFileAndTensorOfAWrongShape) {
  Tensors tensors = tensors_of(QuantFormat::kBf16);
  find(tensors, "model.layers.0.self_attn.o_proj.weight").shape = {128, 64};
  const Folder folder(tensors);

  EXPECT_EQ(folder.message(),
            folder.file() +
                R"(: tensor "language_model.model.layers.0.self_attn.o_proj.weight": BF16 shape )"
                "[128, 64], expected [64, 128]");
}

TEST(M3WeightsTest, RefusesARouterThatIsNotFloat32) {
  const std::string message = message_after([](Tensors& tensors) {
    StoredTensor& gate = find(tensors, "model.layers.1.block_sparse_moe.gate.weight");
    gate.dtype = "BF16";
    gate.bytes.resize(gate.bytes.size() / 2);
  });

  EXPECT_THAT(
      message,
      HasSubstr(R"(block_sparse_moe.gate.weight": BF16 shape [8, 64], expected F32 [8, 64])"));
}

TEST(M3WeightsTest, RefusesAGainThatIsNotBf16) {
  const std::string message = message_after([](Tensors& tensors) {
    StoredTensor& gain = find(tensors, "model.norm.weight");
    gain.dtype = "F32";
    gain.bytes.resize(gain.bytes.size() * 2);
  });

  EXPECT_THAT(message, HasSubstr(R"(model.norm.weight": F32 shape [64], expected BF16 [64])"));
}

TEST(M3WeightsTest, RefusesAWeightInAnUnknownDtype) {
  const std::string message = message_after(
      [](Tensors& tensors) { find(tensors, "model.layers.0.mlp.up_proj.weight").dtype = "F16"; });

  EXPECT_THAT(message, HasSubstr(R"(mlp.up_proj.weight": F16 is not a dtype of weights)"));
}

TEST(M3WeightsTest, RefusesQuantisedValuesWithoutScales) {
  const std::string message = message_after(
      [](Tensors& tensors) {
        std::erase_if(tensors, [](const StoredTensor& t) {
          return t.name.ends_with("layers.0.mlp.up_proj.weight_scale_inv");
        });
      },
      QuantFormat::kMxfp8);

  EXPECT_THAT(message, AllOf(HasSubstr("up_proj.weight\": F8_E4M3 without scales"),
                             HasSubstr("up_proj.weight_scale_inv")));
}

TEST(M3WeightsTest, RefusesScalesOfAWrongShape) {
  const std::string message = message_after(
      [](Tensors& tensors) {
        find(tensors, "model.layers.0.mlp.up_proj.weight_scale_inv").shape = {64, 4};
      },
      QuantFormat::kMxfp8);

  EXPECT_THAT(message,
              HasSubstr(R"(up_proj.weight_scale_inv": U8 shape [64, 4], expected [128, 2])"));
}

TEST(M3WeightsTest, RefusesFp8ScalesOfNoKnownShape) {
  const std::string message = message_after(
      [](Tensors& tensors) {
        find(tensors, "model.layers.0.mlp.up_proj.weight_scale").shape = {64, 2};
      },
      QuantFormat::kFp8Channel);

  EXPECT_THAT(message,
              HasSubstr("F32 shape [64, 2], expected [128, 1] (per channel) or [1, 1] (blocks"));
}

TEST(M3WeightsTest, RefusesScalesUnderTwoNames) {
  const std::string message = message_after(
      [](Tensors& tensors) {
        StoredTensor second = find(tensors, "model.layers.0.mlp.up_proj.weight_scale_inv");
        second.name = "language_model.model.layers.0.mlp.up_proj.scale";
        tensors.push_back(second);
      },
      QuantFormat::kMxfp8);

  EXPECT_THAT(message, HasSubstr("up_proj.scale\": a second scale beside"));
}

TEST(M3WeightsTest, TakesScalesUnderTheirShortName) {
  Tensors tensors = tensors_of(QuantFormat::kMxfp4);
  for (StoredTensor& tensor : tensors) {
    const std::string suffix = ".weight_scale";
    if (tensor.name.ends_with(suffix)) {
      tensor.name.replace(tensor.name.size() - suffix.size(), suffix.size(), ".scale");
    }
  }

  EXPECT_EQ(Folder(tensors).load().layers[1].moe.downs[0].weight().format, WeightFormat::kMxfp4);
}

TEST(M3WeightsTest, RefusesTwoFormatsInOneStack) {
  const std::string message = message_after(
      [](Tensors& tensors) {
        std::erase_if(tensors, [](const StoredTensor& t) {
          return t.name.find("layers.3.self_attn.v_proj.") != std::string::npos;
        });
        Tensors plain = tensors_of(QuantFormat::kBf16);
        tensors.push_back(find(plain, "model.layers.3.self_attn.v_proj.weight"));
      },
      QuantFormat::kMxfp8);

  EXPECT_THAT(message,
              HasSubstr("v_proj.weight\": bf16, but \"model.layers.3.self_attn.q_proj.weight\" "
                        "beside it is mxfp8"));
}

TEST(M3WeightsTest, UnknownTensorsAreCountedInOneWarning) {
  Tensors tensors = tensors_of(QuantFormat::kBf16);
  tensors.push_back({"language_model.extra.a", "U8", {1}, {0}});
  tensors.push_back({"language_model.extra.b", "U8", {1}, {0}});
  const Folder folder(tensors);

  testing::internal::CaptureStderr();
  folder.load();

  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              EndsWith("unknown_tensors=2 first=language_model.extra.a\n"));
}

TEST(M3WeightsTest, DenseLayersMayBeNamedAsTransformersWritesThem) {
  Tensors tensors = tensors_of(QuantFormat::kBf16);
  for (StoredTensor& tensor : tensors) {
    const size_t at = tensor.name.find(".mlp.");
    if (at != std::string::npos) {
      tensor.name.replace(at, 5, ".block_sparse_moe.");
    }
  }

  EXPECT_EQ(Folder(tensors).message(), "");
}

TEST(M3WeightsTest, DataNeedNotBeAligned) {
  Tensors tensors = tensors_of(QuantFormat::kBf16);
  tensors.insert(tensors.begin(), StoredTensor{"vision_tower.odd", "U8", {1}, {0}});
  const Folder folder(tensors);

  const M3Weights weights = folder.load();

  expect_same(weights.head, packed(tensors, {"lm_head"}));
}

TEST(M3TensorTableTest, HoldsTheTensorsOfTheWriterAndNoOthers) {
  Tensors tensors = tensors_of(QuantFormat::kBf16);

  const TensorTable table = m3_tensor_table(Folder::config());

  EXPECT_EQ(table.size(), tensors.size());
  for (const ExpectedTensor& expected : table) {
    EXPECT_EQ(find(tensors, expected.name).shape, expected.shape) << expected.name;
  }
}

TEST(M3KvLayoutTest, HasIndexKeysOfSparseLayersOnly) {
  const KvLayout layout = m3_kv_layout(Folder::config(), DType::kBf16);

  EXPECT_EQ(layout.planes.size(), 6U * 2 + 5);
  EXPECT_EQ(layout.bytes_per_token(), 6 * 2 * (2 * 32 * 2) + 5 * (32 * 2));
}

}  // namespace
}  // namespace talon
