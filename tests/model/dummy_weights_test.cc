// Random weights in the shapes and formats of a config, as a loader finds them.
#include "model/dummy_weights.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>
#include <string>

#include "model/minimax_m3/config.h"
#include "model/minimax_m3/tensor_table.h"
#include "model/quantisation.h"
#include "support/config_json.h"
#include "support/tiny_model.h"

namespace talon {
namespace {

constexpr const char* kQuery = "model.layers.3.self_attn.q_proj.weight";

TensorTable table() {
  return m3_tensor_table(parse_m3_config(test::m3_config_text(test::tiny_m3_config())).value());
}

OnlineQuantConfig formats_of(const std::string& quantisation) {
  return stored_formats(R"({"quantization_config": )" + quantisation + "}");
}

std::optional<WeightFormat> format_of(const Checkpoint& checkpoint, const std::string& name) {
  for (const ExpectedTensor& expected : table()) {
    if (expected.name == name) {
      const auto found = find_linear(checkpoint, name, expected.shape.at(0), expected.shape.at(1));
      const auto* linear = std::get_if<LinearTensors>(&found);
      return linear == nullptr ? std::nullopt : std::optional(linear->format);
    }
  }
  return std::nullopt;
}

struct FormatCase {
  const char* quantisation;
  WeightFormat format;
};

TEST(DummyWeightsTest, FitTheTableInEveryFormat) {
  const FormatCase cases[] = {
      {R"({})", WeightFormat::kBf16},
      {R"({"quant_method": "fp8"})", WeightFormat::kFp8Channel},
      {R"({"quant_method": "fp8", "weight_block_size": [128, 128]})", WeightFormat::kFp8Block},
      {R"({"quant_method": "mxfp8"})", WeightFormat::kMxfp8},
      {R"({"quant_method": "quark"})", WeightFormat::kMxfp4},
  };
  for (const FormatCase& one : cases) {
    const TensorTable expected = table();
    const Checkpoint checkpoint =
        dummy_checkpoint("nowhere", expected, formats_of(one.quantisation));

    const TableMatch match = match_tensors(checkpoint, expected);

    EXPECT_TRUE(match.problems.empty()) << match.problems.front().text;
    EXPECT_TRUE(match.unknown.empty()) << one.quantisation;
    EXPECT_EQ(format_of(checkpoint, kQuery), one.format) << one.quantisation;
    EXPECT_EQ(format_of(checkpoint, "lm_head.weight"), WeightFormat::kBf16);
  }
}

TEST(DummyWeightsTest, ModulesThatTheConfigLeavesAloneStayBf16) {
  const Checkpoint checkpoint = dummy_checkpoint(
      "nowhere", table(),
      formats_of(R"({"quant_method": "quark", "exclude": ["*self_attn*", "*mlp.up_proj"]})"));

  EXPECT_EQ(format_of(checkpoint, kQuery), WeightFormat::kBf16);
  EXPECT_EQ(format_of(checkpoint, "model.layers.3.block_sparse_moe.experts.0.w1.weight"),
            WeightFormat::kMxfp4);
}

TEST(DummyWeightsTest, ATensorIsAFunctionOfItsName) {
  const Checkpoint one = dummy_checkpoint("a", table(), {});
  const Checkpoint two = dummy_checkpoint("b", table(), formats_of(R"({"quant_method": "x"})"));
  const CheckpointTensor* query = one.find(kQuery);
  const CheckpointTensor* other = one.find("model.layers.4.self_attn.q_proj.weight");
  ASSERT_NE(query, nullptr);
  ASSERT_NE(other, nullptr);

  EXPECT_TRUE(std::ranges::equal(query->bytes, two.find(kQuery)->bytes));
  EXPECT_FALSE(std::ranges::equal(query->bytes, other->bytes));
}

TEST(DummyWeightsTest, NumbersAreFiniteAndSmall) {
  const Checkpoint checkpoint = dummy_checkpoint("a", table(), {});
  for (const CheckpointTensor& tensor : checkpoint.tensors()) {
    if (tensor.entry.dtype != FileDType::kBf16) {
      continue;
    }
    for (size_t i = 0; i < tensor.bytes.size(); i += 2) {
      uint32_t bits = 0;
      std::memcpy(reinterpret_cast<std::byte*>(&bits) + 2, &tensor.bytes[i], 2);
      float value = 0.0F;
      std::memcpy(&value, &bits, sizeof(value));
      ASSERT_LE(std::abs(value), 1.0F) << tensor.name;
    }
  }
}

}  // namespace
}  // namespace talon
