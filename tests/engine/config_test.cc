// Settings that exclude each other.
#include "engine/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace talon {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

EngineConfig usable() {
  EngineConfig config;
  config.model_dir = "somewhere";
  return config;
}

TEST(EngineConfigTest, KvIsCachedInTheActivationsTypeOrInFp8) {
  for (const ActivationType dtype : {ActivationType::kBf16, ActivationType::kF32}) {
    EngineConfig config = usable();
    config.dtype = dtype;
    const bool bf16 = dtype == ActivationType::kBf16;
    for (const CacheDtype cache :
         {CacheDtype::kAuto, CacheDtype::kFp8, bf16 ? CacheDtype::kBf16 : CacheDtype::kF32}) {
      config.kv_cache_dtype = cache;
      config.index_cache_dtype = cache;
      EXPECT_THAT(validate(config), IsEmpty());
      EXPECT_EQ(kv_format(config).fp8_kv, cache == CacheDtype::kFp8);
      EXPECT_EQ(kv_format(config).fp8_index, cache == CacheDtype::kFp8);
    }
  }
}

TEST(EngineConfigTest, NothingConvertsBetweenBf16AndFloat32) {
  EngineConfig config = usable();
  config.kv_cache_dtype = CacheDtype::kF32;
  EXPECT_THAT(validate(config), ElementsAre("kv-cache-dtype: float32 does not go with dtype bf16, "
                                            "only bf16 and fp8 do"));

  config = usable();
  config.dtype = ActivationType::kF32;
  config.index_cache_dtype = CacheDtype::kBf16;
  EXPECT_THAT(validate(config), ElementsAre("index-cache-dtype: bf16 does not go with dtype "
                                            "float32, only float32 and fp8 do"));
}

TEST(EngineConfigTest, AutoHasTheNameOfTheActivations) {
  EXPECT_EQ(cache_dtype_name(CacheDtype::kAuto, ActivationType::kF32), "float32");
  EXPECT_EQ(cache_dtype_name(CacheDtype::kAuto, ActivationType::kBf16), "bf16");
  EXPECT_EQ(cache_dtype_name(CacheDtype::kFp8, ActivationType::kF32), "fp8");
}

TEST(EngineConfigTest, MemoryIsAShareOfTheGpuAndAPositiveCap) {
  EngineConfig config = usable();
  config.gpu_memory_utilization = 1.0;
  config.kv_cache_bytes = 1;
  EXPECT_THAT(validate(config), IsEmpty());

  config.gpu_memory_utilization = 1.5;
  config.kv_cache_bytes = 0;
  EXPECT_THAT(validate(config),
              ElementsAre("kv-cache-bytes: must be at least 1",
                          "gpu-memory-utilization: 1.5 is not above 0 and at most 1"));
}

}  // namespace
}  // namespace talon
