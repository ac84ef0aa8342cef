// The overlap rule of the entry points, on hand-made views, and that a wrong operand ends the
// process with a message that names it.
#include "ops/op_checks.h"

#include <gtest/gtest.h>

#include <array>
#include <cstddef>

#include "core/cpu_context.h"
#include "core/cpu_path.h"
#include "core/device.h"
#include "core/dtype.h"
#include "core/shape.h"
#include "core/stream.h"
#include "core/tensor_view.h"
#include "ops/rms_norm.h"
#include "tests/ops/op_test_util.h"

namespace talon::ops {
namespace {

TEST(OpChecksTest, OverlapIsExactForContiguousViews) {
  std::array<float, 64> memory{};
  const ConstTensorView all(memory.data(), Shape{64});

  EXPECT_TRUE(OpChecks::overlap(all, all));
  EXPECT_TRUE(OpChecks::overlap(all.rows(0, 33), all.rows(32, 32)));
  EXPECT_FALSE(OpChecks::overlap(all.rows(0, 32), all.rows(32, 32)));
  EXPECT_FALSE(OpChecks::overlap(all.rows(32, 32), all.rows(0, 32)));
  EXPECT_FALSE(OpChecks::overlap(all.rows(8, 0), all));
}

TEST(OpChecksTest, ColumnsOfOneArrayOverlapOnlyIfTheyShareAColumn) {
  std::array<float, 64> memory{};
  const ConstTensorView rows(memory.data(), Shape{4, 16});

  EXPECT_FALSE(OpChecks::overlap(rows.columns(0, 8), rows.columns(8, 8)));
  EXPECT_FALSE(OpChecks::overlap(rows.columns(8, 8), rows.columns(0, 8)));
  EXPECT_TRUE(OpChecks::overlap(rows.columns(0, 9), rows.columns(8, 8)));
  EXPECT_TRUE(OpChecks::overlap(rows.columns(8, 8), rows.columns(0, 9)));
  EXPECT_FALSE(OpChecks::overlap(rows.rows(0, 3).columns(0, 8), rows.rows(1, 3).columns(8, 8)));
  EXPECT_TRUE(OpChecks::overlap(rows.rows(0, 3).columns(0, 8), rows.rows(1, 3).columns(7, 8)));
}

// A call of rms_norm that is right but for what the test changes.
struct Call {
  TestTensor memory = TestTensor::random(DType::kF32, {4, 16}, 1);
  TestTensor gain = TestTensor::random(DType::kF32, {8}, 2);
  TestTensor out{DType::kF32, {4, 8}};
  CpuContext context{1, CpuPath::kScalar, false};
  RmsNormArgs args = {.out = out.view(),
                      .x = memory.cview().columns(0, 8),
                      .gain = gain.cview(),
                      .eps = 1e-6F,
                      .form = GainForm::kPlain};

  void run() { rms_norm(Stream(context), args); }
};

TEST(OpChecksDeathTest, WrongOperandsAreNamed) {
  Call call;
  call.run();

  Call shape;
  shape.args.x = shape.memory.cview().columns(0, 7);
  EXPECT_DEATH(shape.run(), "rms_norm: x is \\[4, 7\\], not \\[4, 8\\]");

  Call dtype;
  TestTensor half(DType::kBf16, {4, 8});
  dtype.args.x = half.cview();
  EXPECT_DEATH(dtype.run(), "rms_norm: x is bf16, not f32");

  Call integers;
  TestTensor ids(DType::kI32, {8});
  integers.args.gain = ids.cview();
  EXPECT_DEATH(integers.run(), "rms_norm: gain is i32, not f32 or bf16");

  Call missing;
  missing.args.gain = ConstTensorView(static_cast<const float*>(nullptr), Shape{8});
  EXPECT_DEATH(missing.run(), "rms_norm: gain is missing");
}

TEST(OpChecksDeathTest, AliasesAreRefused) {
  Call same;
  same.args.out = same.memory.view().columns(0, 8);
  same.run();  // in place is allowed

  Call partial;
  partial.args.out = partial.memory.view().columns(4, 8);
  EXPECT_DEATH(partial.run(), "rms_norm: out overlaps x");
}

TEST(OpChecksDeathTest, ACudaStreamIsRefused) {
  Call call;
  std::byte nothing{};  // stands for a context, which a check does not look into
  const Stream stream({.kind = DeviceKind::kCuda, .ordinal = 0},
                      *reinterpret_cast<CudaContext*>(&nothing));
  EXPECT_DEATH(rms_norm(stream, call.args), "out is on another device");
}

}  // namespace
}  // namespace talon::ops
