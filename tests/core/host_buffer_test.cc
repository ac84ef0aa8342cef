// HostBuffer for the CPU; tests/core/cuda has page-locked memory.
#include "core/host_buffer.h"

#include <gtest/gtest.h>

#include <utility>

namespace talon {
namespace {

TEST(HostBufferTest, IsPlainZeroedMemoryForTheCpu) {
  HostBuffer first(64, kCpuDevice);
  first.data()[0] = std::byte{1};
  std::byte* const data = first.data();

  const HostBuffer second = std::move(first);

  EXPECT_EQ(second.data(), data);
  EXPECT_EQ(second.view(DType::kI32, Shape{16}).as<int32_t>()[0], 1);
  EXPECT_EQ(second.view(DType::kI32, Shape{16}).as<int32_t>()[15], 0);
}

TEST(HostBufferDeathTest, ViewMustFit) {
  const HostBuffer buffer(16, kCpuDevice);

  EXPECT_DEATH(buffer.view(DType::kF32, Shape{5}), "does not fit 16 bytes");
}

}  // namespace
}  // namespace talon
