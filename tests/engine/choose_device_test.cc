// What a choice of device means in this build.
#include "engine/choose_device.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/backend.h"

namespace talon {
namespace {

TEST(ChooseDeviceTest, OnlyABuildWithCudaChoosesAGpu) {
  EXPECT_FALSE(choose_gpu(DeviceChoice::kCpu).has_value());
  EXPECT_EQ(choose_gpu(DeviceChoice::kCuda).has_value(), kHasCuda);
  if (!kHasCuda) {
    EXPECT_FALSE(choose_gpu(DeviceChoice::kAuto).has_value());
  }
}

TEST(ChooseDeviceTest, ABuildWithoutCudaRefusesAGpuInOneLine) {
  EngineConfig config;
  config.model_dir = "somewhere";
  config.device = DeviceChoice::kCuda;

  const std::vector<std::string> faults = validate(config);

  EXPECT_EQ(faults.empty(), kHasCuda);
  if (!kHasCuda) {
    EXPECT_EQ(faults[0], "device: this program was built without CUDA");
  }
}

}  // namespace
}  // namespace talon
