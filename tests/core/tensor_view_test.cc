// Views: shapes, strides, parts, and the checks that guard them.
#include "core/tensor_view.h"

#include <gtest/gtest.h>

#include <numeric>
#include <vector>

namespace talon {
namespace {

TEST(TensorViewTest, PartsShareTheMemory) {
  std::vector<float> data(24);
  std::iota(data.begin(), data.end(), 0.0F);
  const TensorView view(data.data(), Shape{2, 3, 4});

  EXPECT_EQ(view.at(1).row<float>(2)[3], 23.0F);
  EXPECT_EQ(view.rows(1, 1).as<float>()[0], 12.0F);
  EXPECT_EQ(view.reshaped(Shape{6, 4}).row<float>(5)[0], 20.0F);
  EXPECT_EQ(to_string(view.at(0).shape()), "[3, 4]");
}

TEST(TensorViewTest, ColumnsKeepTheRowStride) {
  std::vector<float> data(12);
  std::iota(data.begin(), data.end(), 0.0F);
  const ConstTensorView part = TensorView(data.data(), Shape{3, 4}).columns(1, 2);

  EXPECT_EQ(part.row<float>(2)[1], 10.0F);
  EXPECT_FALSE(part.is_contiguous());
}

TEST(TensorViewDeathTest, RefusesAnotherType) {
  std::vector<float> data(4);
  const TensorView view(data.data(), Shape{4});

  EXPECT_DEATH(view.as<int32_t>(), "f32");
  EXPECT_DEATH(view.rows(3, 2), "rows 3 . 2 of 4");
}

}  // namespace
}  // namespace talon
