// The quantiser of the loader against the encoder of the test checkpoints, which searches for the
// nearest code in double: values and scales bit for bit.
#include "ops/quantise_weight.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "support/quantise.h"
#include "tests/ops/op_test_util.h"

namespace talon {
namespace {

using ops::TestRng;
using test::QuantFormat;
using test::StoredTensor;

struct Case {
  WeightFormat format;
  QuantFormat stored;
};
constexpr Case kCases[] = {{WeightFormat::kFp8Channel, QuantFormat::kFp8Channel},
                           {WeightFormat::kFp8Block, QuantFormat::kFp8Block},
                           {WeightFormat::kMxfp4, QuantFormat::kMxfp4}};

// Every magnitude of bf16 may come up; row 1 is zeros, row 2 holds small ones only.
StoredTensor random_matrix(int64_t rows, int64_t columns, uint64_t purpose) {
  StoredTensor tensor{"x.weight", "BF16", {rows, columns}, {}};
  TestRng rng(purpose);
  for (int64_t i = 0; i < rows * columns; ++i) {
    const int64_t row = i / columns;
    auto bits = static_cast<uint16_t>(rng.integer(0, 1) << 15);
    if (row == 2) {
      bits = static_cast<uint16_t>(bits | rng.integer(0, 0x17F));  // subnormals and a little above
    } else if (row != 1) {
      bits = static_cast<uint16_t>(bits | rng.integer(row % 2 == 0 ? 0x3A00 : 0, 0x4000));
    }
    tensor.bytes.push_back(static_cast<uint8_t>(bits));
    tensor.bytes.push_back(static_cast<uint8_t>(bits >> 8));
  }
  return tensor;
}

// A view that begins `offset` bytes into a copy: files do not align their tensors.
struct Unaligned {
  std::vector<uint8_t> bytes;
  Weight weight;

  explicit Unaligned(const StoredTensor& tensor, size_t offset = 1)
      : bytes(offset + tensor.bytes.size()) {
    std::copy(tensor.bytes.begin(), tensor.bytes.end(),
              bytes.begin() + static_cast<std::ptrdiff_t>(offset));
    weight.num_out = tensor.shape[0];
    weight.num_in = tensor.shape[1];
    weight.values = ConstTensorView(reinterpret_cast<const std::byte*>(bytes.data() + offset),
                                    DType::kBf16, Shape{tensor.shape[0], tensor.shape[1]});
  }
};

bool same_bytes(const ConstTensorView& view, const StoredTensor& stored) {
  const int64_t size = view.shape().num_elements() * dtype_bytes(view.dtype());
  return size == std::ssize(stored.bytes) &&
         std::memcmp(view.data(), stored.bytes.data(), stored.bytes.size()) == 0;
}

TEST(QuantiseWeightTest, HasTheBitsOfAnOfflineConversion) {
  TALON_TRACE_SEED();
  uint64_t purpose = 90;
  for (const Case& c : kCases) {
    for (const auto& [rows, columns] :
         {std::pair<int64_t, int64_t>{5, 64}, {130, 160}, {257, 32}}) {
      SCOPED_TRACE(std::string(weight_format_name(c.format)) + " " + std::to_string(rows) + " x " +
                   std::to_string(columns));
      const StoredTensor matrix = random_matrix(rows, columns, purpose++);
      const std::vector<StoredTensor> expected = test::quantise(matrix, c.stored);

      const auto quantised = QuantisedWeight::make(Unaligned(matrix).weight, c.format);

      ASSERT_TRUE(quantised.has_value());
      EXPECT_EQ(quantised->weight().format, c.format);
      EXPECT_TRUE(same_bytes(quantised->weight().values, expected[0]));
      EXPECT_TRUE(same_bytes(quantised->weight().scales, expected[1]));
    }
  }
}

// Quotients that a float would round onto a tie between two codes.
TEST(QuantiseWeightTest, RoundsTheExactQuotientOnce) {
  StoredTensor matrix{"x.weight", "BF16", {64, 2}, {}};
  for (int row = 0; row < 64; ++row) {
    for (const int bits : {0x3F80 + row, 0x3C00 + 7 * row}) {
      matrix.bytes.push_back(static_cast<uint8_t>(bits));
      matrix.bytes.push_back(static_cast<uint8_t>(bits >> 8));
    }
  }

  const auto quantised = QuantisedWeight::make(Unaligned(matrix).weight, WeightFormat::kFp8Channel);

  EXPECT_TRUE(
      same_bytes(quantised->weight().values, test::quantise(matrix, QuantFormat::kFp8Channel)[0]));
}

TEST(QuantiseWeightTest, RefusesWhatIsNotFinite) {
  for (const uint16_t bits : {uint16_t{0x7F80}, uint16_t{0xFF80}, uint16_t{0x7FC0}}) {
    StoredTensor matrix = random_matrix(3, 32, 99);
    matrix.bytes[40] = static_cast<uint8_t>(bits);
    matrix.bytes[41] = static_cast<uint8_t>(bits >> 8);
    for (const Case& c : kCases) {
      EXPECT_FALSE(QuantisedWeight::make(Unaligned(matrix).weight, c.format).has_value());
    }
  }
}

}  // namespace
}  // namespace talon
