// A layout of 256 bytes a token, so a page has 32,768 bytes, and sizes counted by hand.
#include "model/memory_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace talon {
namespace {

constexpr int64_t kPageBytes = 32768;

MemoryRequest request() {
  MemoryRequest request;
  Plane plane;
  plane.num_heads = 2;
  plane.head_dim = 32;
  request.kv_layout.planes.push_back(plane);
  plane.kind = PlaneKind::kValue;
  request.kv_layout.planes.push_back(plane);
  request.model_limit = 1000;
  request.kv_cache_bytes = 100 * kPageBytes;
  return request;
}

TEST(MemoryPlanTest, TakesPagesForOneSequenceAndTheNullPage) {
  const MemoryPlan plan = plan_memory(request()).value();

  EXPECT_EQ(plan.context_limit, 1000);
  EXPECT_EQ(plan.page_bytes, kPageBytes);
  EXPECT_EQ(plan.num_pages, 8 + 1);
  EXPECT_EQ(plan.kv_bytes, 9 * kPageBytes);
}

TEST(MemoryPlanTest, AWholePageMoreBeginsAtItsFirstPosition) {
  MemoryRequest asked = request();
  asked.max_model_len = 256;
  EXPECT_EQ(plan_memory(asked).value().num_pages, 2 + 1);

  asked.max_model_len = 257;
  EXPECT_EQ(plan_memory(asked).value().num_pages, 3 + 1);
}

TEST(MemoryPlanTest, AShortPoolShortensTheContext) {
  MemoryRequest asked = request();
  asked.kv_cache_bytes = 4 * kPageBytes;

  const MemoryPlan plan = plan_memory(asked).value();

  EXPECT_EQ(plan.context_limit, 3 * 128);
  EXPECT_EQ(plan.num_pages, 4);
}

TEST(MemoryPlanTest, SeveralSequencesShareWhatTheCapAllows) {
  MemoryRequest asked = request();
  asked.num_sequences = 20;

  EXPECT_EQ(plan_memory(asked).value().num_pages, 100);
}

TEST(MemoryPlanTest, TheTotalAddsWeightsBuffersArenaAndPages) {
  MemoryRequest asked = request();
  asked.weight_bytes = 1000;
  asked.step_buffer_bytes = 200;
  asked.arena_bytes = 30;

  const MemoryPlan plan = plan_memory(asked).value();

  EXPECT_EQ(plan.fixed_bytes, 1230);
  EXPECT_EQ(plan.total_bytes, 1230 + 9 * kPageBytes);
}

TEST(MemoryPlanTest, TheDevicesMemoryIsALimitToo) {
  MemoryRequest asked = request();
  asked.weight_bytes = 10 * kPageBytes;
  asked.memory_bytes = 15 * kPageBytes + 1;

  const MemoryPlan plan = plan_memory(asked).value();

  EXPECT_EQ(plan.num_pages, 5);
  EXPECT_EQ(plan.context_limit, 4 * 128);
  EXPECT_LE(plan.total_bytes, *asked.memory_bytes);
}

TEST(MemoryPlanTest, RefusesALengthOverTheCheckpoints) {
  MemoryRequest asked = request();
  asked.max_model_len = 1001;

  EXPECT_EQ(plan_memory(asked).message(), "max-model-len: 1001 is over the checkpoint's 1000");
}

TEST(MemoryPlanTest, RefusesALengthThatThePoolCannotHold) {
  MemoryRequest asked = request();
  asked.max_model_len = 1000;
  asked.kv_cache_bytes = 4 * kPageBytes;

  EXPECT_EQ(plan_memory(asked).message(),
            "kv-cache-bytes: 131072 bytes hold 384 tokens in pages of 32768 bytes, 1000 are "
            "needed");
}

TEST(MemoryPlanTest, RefusesAPoolOfTheNullPageAlone) {
  MemoryRequest asked = request();
  asked.kv_cache_bytes = 2 * kPageBytes - 1;

  EXPECT_EQ(plan_memory(asked).message(),
            "kv-cache-bytes: 65535 bytes hold 0 tokens in pages of 32768 bytes, 2 are needed");
}

TEST(MemoryPlanTest, RefusesWeightsThatLeaveNothing) {
  MemoryRequest asked = request();
  asked.weight_bytes = 100;
  asked.memory_bytes = 50;

  EXPECT_EQ(
      plan_memory(asked).message(),
      "memory left by weights and buffers under gpu-memory-utilization: 0 bytes hold 0 tokens "
      "in pages of 32768 bytes, 2 are needed");
}

}  // namespace
}  // namespace talon
