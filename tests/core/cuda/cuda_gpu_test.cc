// Memory, copies, events, graphs and errors on the first GPU. Without one every test fails.
// Covers: core/profile_range core/check core/context core/device core/graph core/memory core/queue
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "core/arena.h"
#include "core/copy.h"
#include "core/cuda/context.h"
#include "core/cuda/device.h"
#include "core/cuda/graph.h"
#include "core/cuda/memory.h"
#include "core/cuda/queue.h"
#include "core/host_buffer.h"
#include "core/profile_range.h"

namespace talon {
namespace {

constexpr Device kGpu = cuda_device(0);

TEST(CudaDeviceTest, IsHopperOrSaysWhatItIs) {
  const cuda::DeviceInfo info = cuda::device_info(kGpu);

  EXPECT_GE(cuda::num_devices(), 1);
  EXPECT_FALSE(info.name.empty());
  EXPECT_GE(info.capability_major, cuda::kMinCapabilityMajor);
  EXPECT_GT(info.num_multiprocessors, 0);
  EXPECT_GT(info.free_bytes, 0);
  EXPECT_GE(info.driver_version, info.runtime_version);
}

TEST(CudaDeviceTest, AMissingDeviceIsOneLine) {
  try {
    (void)cuda::device_info(cuda_device(99));
    FAIL() << "there are 100 GPUs";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnavailable);
    EXPECT_NE(std::string(error.what()).find("there is no GPU 99"), std::string::npos);
  }
}

TEST(CudaBufferTest, TooMuchIsAnErrorAndTheDeviceGoesOn) {
  try {
    const Buffer buffer(int64_t{1} << 45, kGpu);
    FAIL() << "there are 32 TiB";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kOutOfMemory);
  }
  EXPECT_NE(Buffer(1024, kGpu).data(), nullptr);
}

TEST(CudaBufferTest, CountsAllocationsAndAligns) {
  const int64_t before = cuda::num_device_allocations();
  Buffer first(1000, kGpu);
  const Buffer second = std::move(first);
  Arena arena(1024, kGpu);
  const TensorView a = arena.take(DType::kF32, Shape{3});
  const TensorView b = arena.take(DType::kF32, Shape{3});

  EXPECT_EQ(cuda::num_device_allocations(), before + 2);
  EXPECT_EQ(a.device(), kGpu);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(a.data()) % 256, 0U);
  EXPECT_EQ(b.data() - a.data(), 256);
}

TEST(CudaCopyTest, GoesThereAndBack) {
  CudaContext context(kGpu);
  const Stream stream = context.stream();
  HostBuffer host(32, kGpu);
  const TensorView numbers = host.view(DType::kI32, Shape{8});
  for (int32_t i = 0; i < 8; ++i) {
    numbers.as<int32_t>()[i] = i + 1;
  }
  const Buffer buffer = Buffer::zeroed(32, kGpu);
  const TensorView there = buffer.view(DType::kI32, Shape{8});

  copy(stream, there.rows(0, 4), numbers.rows(0, 4));
  copy(stream, there.rows(4, 2), there.rows(0, 2));
  fill_zero(stream, there.rows(1, 1));
  copy(stream, numbers, there);
  synchronize(stream);

  const int32_t* got = numbers.as<int32_t>();
  EXPECT_EQ(std::vector<int32_t>(got, got + 8), (std::vector<int32_t>{1, 0, 3, 4, 1, 2, 0, 0}));
}

TEST(CudaGraphTest, ReplaysWhatWasCapturedOnOtherData) {
  CudaContext context(kGpu);
  const Stream stream = context.stream();
  HostBuffer host(16, kGpu);
  const TensorView numbers = host.view(DType::kI32, Shape{4});
  const Buffer buffer = Buffer::zeroed(32, kGpu);
  const TensorView from = buffer.view(DType::kI32, Shape{8}).rows(0, 4);
  const TensorView to = buffer.view(DType::kI32, Shape{8}).rows(4, 4);

  const CudaGraph graph = CudaGraph::capture(context, [&] { copy(stream, to, from); });
  EXPECT_EQ(graph.num_nodes(), 1);
  for (const int32_t value : {7, 8}) {
    numbers.as<int32_t>()[3] = value;
    copy(stream, from, numbers);
    graph.replay(context);
    copy(stream, numbers, to);
    synchronize(stream);

    EXPECT_EQ(numbers.as<int32_t>()[3], value);
  }
}

TEST(CudaErrorTest, SaysWhatFailedAndWhere) {
  CudaContext context(kGpu);
  const Buffer buffer(64, kGpu);
  try {
    cuda::queue_copy(context, buffer.data(), nullptr, 64);
    FAIL() << "there is something at address 0";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnavailable);
    const std::string message = error.what();
    EXPECT_NE(message.find("the GPU failed: cudaErrorInvalidValue"), std::string::npos) << message;
    EXPECT_NE(message.find("queue.cc"), std::string::npos) << message;
  }
}

TEST(ProfileRangeTest, NestsWithoutAProfiler) {
  const ProfileRange outer("outer");
  const ProfileRange inner("inner");
}

TEST(CudaEventTest, MarksAPlaceInTheStream) {
  CudaContext context(kGpu);
  CudaEvent begin(kGpu, /*timing=*/true);
  CudaEvent end(kGpu, /*timing=*/true);
  const Buffer buffer(int64_t{64} * 1024 * 1024, kGpu);

  begin.record(context);
  fill_zero(context.stream(), buffer.view(DType::kU8, Shape{buffer.num_bytes()}));
  end.record(context);
  end.synchronize();

  EXPECT_TRUE(end.is_done());
  EXPECT_GT(end.milliseconds_since(begin), 0.0);
}

}  // namespace
}  // namespace talon
