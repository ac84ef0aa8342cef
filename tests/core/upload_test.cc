// Uploads on the CPU, where they are copies; rows with strides, comparison, and buffers without an
// uploader. tests/engine/cuda_gpu_test.cc loads whole models onto a GPU.
#include "core/upload.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "core/cpu_context.h"

namespace talon {
namespace {

using Bytes = std::vector<uint8_t>;

std::byte* data(Bytes& bytes) { return reinterpret_cast<std::byte*>(bytes.data()); }

TEST(UploaderTest, WritesRowsAtTheirStrides) {
  CpuContext context(1);
  Uploader uploader{Stream(context)};
  Bytes from = {1, 2, 3, 4, 5, 6};
  Bytes to(8, 0);

  uploader.write_rows(data(to), data(from),
                      {.count = 2, .row_bytes = 2, .to_stride = 4, .from_stride = 3});
  uploader.finish();

  EXPECT_EQ(to, (Bytes{1, 2, 0, 0, 4, 5, 0, 0}));
}

TEST(UploaderTest, ComparesBytes) {
  CpuContext context(1);
  Uploader uploader{Stream(context)};
  Bytes a(100, 7);
  Bytes b = a;

  EXPECT_TRUE(uploader.same_bytes(data(a), data(b), 100));
  b[99] = 8;
  EXPECT_TRUE(uploader.same_bytes(data(a), data(b), 99));
  EXPECT_FALSE(uploader.same_bytes(data(a), data(b), 100));
}

TEST(UploaderTest, PlacesOnItsDeviceOrOnTheCpu) {
  CpuContext context(1);
  Uploader uploader{Stream(context)};
  const std::vector<int32_t> values = {4, 5};
  for (Uploader* to : {static_cast<Uploader*>(nullptr), &uploader}) {
    const Buffer buffer = place(to, values.data(), 8);

    EXPECT_EQ(buffer.device(), kCpuDevice);
    EXPECT_EQ(buffer.view(DType::kI32, Shape{2}).as<int32_t>()[1], 5);
  }
}

}  // namespace
}  // namespace talon
