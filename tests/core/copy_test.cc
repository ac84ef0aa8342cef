// copy and fill_zero on the CPU; tests/core/cuda has their other half.
#include "core/copy.h"

#include <gtest/gtest.h>

#include <vector>

#include "core/cpu_context.h"
#include "core/tensor_view.h"

namespace talon {
namespace {

TEST(CopyTest, MovesTheElementsOfOtherShapes) {
  CpuContext context(1);
  const std::vector<int32_t> from = {1, 2, 3, 4, 5, 6};
  std::vector<int32_t> to(6, 0);

  copy(Stream(context), TensorView(to.data(), Shape{3, 2}),
       ConstTensorView(from.data(), Shape{2, 3}));

  EXPECT_EQ(to, from);
}

TEST(CopyTest, ZerosOnlyTheView) {
  CpuContext context(1);
  std::vector<int32_t> data = {1, 2, 3, 4};

  fill_zero(Stream(context), TensorView(data.data(), Shape{4}).rows(1, 2));

  EXPECT_EQ(data, (std::vector<int32_t>{1, 0, 0, 4}));
}

TEST(CopyDeathTest, RefusesOtherSizesAndStrides) {
  CpuContext context(1);
  std::vector<int32_t> data(8, 0);
  const TensorView all(data.data(), Shape{2, 4});

  EXPECT_DEATH(copy(Stream(context), all, all.rows(0, 1)), "copied to i32");
  EXPECT_DEATH(copy(Stream(context), all.columns(0, 2), all.columns(2, 2)), "strided");
  EXPECT_DEATH(fill_zero(Stream(context), all.columns(0, 2)), "strided");
}

}  // namespace
}  // namespace talon
