// Which kernel of `linear` a GPU runs.
#include "ops/linear_config.h"

#include <gtest/gtest.h>

namespace talon::ops {
namespace {

talon::cuda::DeviceInfo device_of(int capability_major) {
  talon::cuda::DeviceInfo device;
  device.capability_major = capability_major;
  device.num_multiprocessors = 132;
  return device;
}

// q, k, v and the index of a TP4 rank of M3.
LinearProblem projection(int64_t num_rows) {
  return {.num_rows = num_rows, .num_out = 2944, .num_in = 6144, .aligned = true};
}

LinearConfig hopper(const LinearProblem& problem) { return choose_config(problem, device_of(9)); }

TEST(LinearConfigTest, HopperTakesTheSmallestClusterThatHoldsTheRows) {
  for (const auto& [rows, block] :
       {std::pair{1, 8}, {8, 8}, {9, 16}, {17, 32}, {33, 64}, {64, 64}, {65, 128}, {256, 128}}) {
    const LinearConfig config = hopper(projection(rows));

    EXPECT_EQ(config.kernel, LinearKernel::kCluster) << rows;
    EXPECT_EQ(config.rows_per_block, block) << rows;
  }
}

TEST(LinearConfigTest, HopperTakesTheWideKernelOnceItFillsTheGpu) {
  EXPECT_EQ(hopper(projection(512)).kernel, LinearKernel::kWide);
  EXPECT_EQ(hopper(projection(512)).rows_per_block, 128);
  LinearProblem head = projection(64);
  head.num_out = 50016;
  EXPECT_EQ(hopper(head).kernel, LinearKernel::kCluster);
  head.num_rows = 128;
  EXPECT_EQ(hopper(head).kernel, LinearKernel::kWide);
}

TEST(LinearConfigTest, WhatHoppersKernelsDoNotFitIsLeftToTiles) {
  LinearProblem quantised = projection(64);
  quantised.format = WeightFormat::kMxfp4;
  LinearProblem floats = projection(64);
  floats.x_dtype = DType::kF32;
  LinearProblem unaligned = projection(64);
  unaligned.aligned = false;
  LinearProblem small = projection(64);
  small.num_in = 512;
  for (const LinearProblem& problem : {quantised, floats, unaligned, small}) {
    EXPECT_EQ(hopper(problem).kernel, LinearKernel::kTiles);
    EXPECT_EQ(hopper(problem).rows_per_block, 32);
  }
}

TEST(LinearConfigTest, OtherGenerationsRunThePortableKernel) {
  for (const int major : {8, 10, 12}) {
    for (const auto& [rows, block] : {std::pair{1, 8}, {16, 16}, {17, 32}, {2048, 32}}) {
      const LinearConfig config = choose_config(projection(rows), device_of(major));

      EXPECT_EQ(config.kernel, LinearKernel::kTiles) << major;
      EXPECT_EQ(config.rows_per_block, block) << rows;
    }
  }
}

}  // namespace
}  // namespace talon::ops
