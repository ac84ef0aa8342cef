// The packed order, read back element by element by the formula of ops/pack.h, against
// dequantise_row on the checkpoint's form.
#include "ops/pack.h"

#include <gtest/gtest.h>

#include <cstring>
#include <utility>
#include <vector>

#include "tests/ops/test_weight.h"

namespace talon::ops {
namespace {

float packed_at(const Weight& w, int64_t o, int64_t i) {
  const int64_t tile = o / 16;
  const int64_t lane = o % 16;
  if (w.format == WeightFormat::kBf16) {
    const int64_t pairs = w.values.size(1);
    return to_float(w.values.as<bf16>()[((tile * pairs + i / 2) * 16 + lane) * 2 + i % 2]);
  }
  const int64_t columns = w.values.size(1);
  const int64_t groups = w.scales.size(1);
  const int64_t group_size = is_mx(w.format)                         ? 32
                             : w.format == WeightFormat::kFp8Channel ? w.num_in
                                                                     : 128;
  const int64_t scale_index = (tile * groups + i / group_size) * 16 + lane;
  const float scale = is_mx(w.format) ? e8m0_to_float(w.scales.as<uint8_t>()[scale_index])
                                      : w.scales.as<float>()[scale_index];
  if (w.format == WeightFormat::kMxfp4) {
    const uint8_t pair = w.values.as<uint8_t>()[(tile * columns + i / 2) * 16 + lane];
    return e2m1_to_float(static_cast<uint8_t>(i % 2 == 0 ? pair & 15 : pair >> 4)) * scale;
  }
  return to_float(w.values.as<e4m3>()[(tile * columns + i) * 16 + lane]) * scale;
}

TEST(PackTest, EveryElementIsAtItsPlace) {
  TALON_TRACE_SEED();
  for (const WeightFormat format : kAllFormats) {
    for (const auto& [num_out, num_in] :
         {std::pair<int64_t, int64_t>{16, 32}, {1, 64}, {17, 96}, {144, 320}, {33, 31}, {5, 129}}) {
      if (is_mx(format) && num_in % 32 != 0) {
        continue;
      }
      SCOPED_TRACE(std::string(weight_format_name(format)) + " " + std::to_string(num_out) + " x " +
                   std::to_string(num_in));
      const TestWeight weight(format, num_out, num_in, 1);
      const std::vector<float> expected = weight.dequantised();

      const PackedWeight packed = weight.packed();

      EXPECT_EQ(packed.weight().layout, WeightLayout::kCpuTiles);
      EXPECT_EQ(packed.weight().num_out, num_out);
      EXPECT_EQ(packed.weight().num_in, num_in);
      for (int64_t o = 0; o < num_out; ++o) {
        for (int64_t i = 0; i < num_in; ++i) {
          ASSERT_EQ(packed_at(packed.weight(), o, i), expected[static_cast<size_t>(o * num_in + i)])
              << o << ", " << i;
        }
      }
    }
  }
}

TEST(PackTest, PaddingRowsAndTheHalfPairAreZero) {
  const TestWeight weight(WeightFormat::kBf16, 3, 5, 2);

  const PackedWeight packed = weight.packed();

  ASSERT_EQ(packed.weight().values.shape(), (Shape{1, 3, 16, 2}));
  const bf16* values = packed.weight().values.as<bf16>();
  for (int64_t i = 0; i < 6; ++i) {
    for (int64_t lane = 0; lane < 16; ++lane) {
      if (lane >= 3 || i == 5) {
        EXPECT_EQ(values[(i / 2 * 16 + lane) * 2 + i % 2].bits, 0) << lane << ", " << i;
      }
    }
  }
}

TEST(PackTest, StackPutsRowsUnderEachOther) {
  TALON_TRACE_SEED();
  for (const WeightFormat format : kAllFormats) {
    SCOPED_TRACE(weight_format_name(format));
    const TestWeight a(format, 20, 160, 3);
    const TestWeight b(format, 7, 160, 4);
    const TestWeight c(format, 130, 160, 5);
    const Weight parts[] = {a.weight(), b.weight(), c.weight()};

    const PackedWeight packed = PackedWeight::stack(parts);

    std::vector<float> expected = a.dequantised();
    for (const auto& more : {b.dequantised(), c.dequantised()}) {
      expected.insert(expected.end(), more.begin(), more.end());
    }
    ASSERT_EQ(packed.weight().num_out, 157);
    for (int64_t o = 0; o < 157; ++o) {
      for (int64_t i = 0; i < 160; ++i) {
        ASSERT_EQ(packed_at(packed.weight(), o, i), expected[static_cast<size_t>(o * 160 + i)]);
      }
    }
  }
}

// The value of a kCudaRows weight, by the definition of its layout.
float row_at(const Weight& weight, int64_t out, int64_t in) {
  const auto code = [&] {
    if (weight.format == WeightFormat::kMxfp4) {
      uint32_t word = 0;
      std::memcpy(&word, weight.values.row<uint8_t>(out) + in / 8 * 4, 4);
      const int64_t place = in % 2 * 16 + in % 8 / 2 * 4;  // even inputs in the low half
      return e2m1_to_float((word >> place) & 0xFU);
    }
    return weight.format == WeightFormat::kBf16 ? to_float(weight.values.row<bf16>(out)[in])
                                                : to_float(weight.values.row<e4m3>(out)[in]);
  }();
  switch (weight.format) {
    case WeightFormat::kBf16:
      return code;
    case WeightFormat::kFp8Channel:
      return code * weight.scales.row<float>(out)[0];
    case WeightFormat::kFp8Block:
      return code * weight.scales.row<float>(out)[in / kFp8Block];
    default:
      return code * e8m0_to_float(weight.scales.row<uint8_t>(out)[in / kMxGroup]);
  }
}

TEST(PackTest, RowsForCudaKeepTheirValuesBehindEachOther) {
  TALON_TRACE_SEED();
  CpuContext context(1);
  Uploader uploader{Stream(context)};
  for (const WeightFormat format : kAllFormats) {
    for (const int64_t num_in : {160, 192}) {  // with padding and without
      SCOPED_TRACE(testing::Message() << weight_format_name(format) << ", " << num_in);
      const TestWeight a(format, 20, num_in, 3);
      const TestWeight b(format, 130, num_in, 4);
      const Weight parts[] = {a.weight(), b.weight()};

      const PackedWeight packed = PackedWeight::stack_rows(parts, uploader);

      check_cuda_rows("pack", packed.weight());
      std::vector<float> expected = a.dequantised();
      const std::vector<float> more = b.dequantised();
      expected.insert(expected.end(), more.begin(), more.end());
      const Weight second = weight_rows(packed.weight(), 20, 130);
      for (int64_t o = 0; o < 150; ++o) {
        for (int64_t i = 0; i < num_in; ++i) {
          const float value = expected[static_cast<size_t>(o * num_in + i)];
          ASSERT_EQ(row_at(packed.weight(), o, i), value);
          ASSERT_TRUE(o < 20 || row_at(second, o - 20, i) == value);
        }
      }
      const int64_t row_bytes =
          packed.weight().values.size(1) * dtype_bytes(packed.weight().values.dtype());
      EXPECT_EQ(row_bytes % 16, 0);
    }
  }
}

TEST(PackTest, AViewSurvivesAMove) {
  const TestWeight weight(WeightFormat::kMxfp8, 16, 32, 6);
  PackedWeight first = weight.packed();

  const PackedWeight second = std::move(first);

  EXPECT_EQ(packed_at(second.weight(), 3, 7), weight.dequantised()[3 * 32 + 7]);
  EXPECT_EQ(second.num_bytes(), 16 * 32 + 16);
}

TEST(PackDeathTest, UnequalPartsAreRefused) {
  const TestWeight a(WeightFormat::kBf16, 16, 32, 7);
  const TestWeight b(WeightFormat::kBf16, 16, 64, 7);
  const TestWeight c(WeightFormat::kMxfp8, 16, 32, 7);
  const Weight inputs[] = {a.weight(), b.weight()};
  const Weight formats[] = {a.weight(), c.weight()};
  const PackedWeight packed = a.packed();

  EXPECT_DEATH(PackedWeight::stack(inputs), "64 inputs stacked on 32");
  EXPECT_DEATH(PackedWeight::stack(formats), "mxfp8 stacked on bf16");
  EXPECT_DEATH(PackedWeight::pack(packed.weight()), "cannot be packed again");
}

}  // namespace
}  // namespace talon::ops
