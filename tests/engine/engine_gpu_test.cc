// The engine on a GPU: captured rounds say what eager ones say, drafting changes nothing, and
// nothing is allocated after the start. tests/e2e compares it with the CPU.
// Covers: engine/executor_cuda
#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include "core/cuda/memory.h"
#include "support/engine_fixture.h"

namespace talon {
namespace {

using test::Output;

class EngineGpuTest : public test::EngineFixture {
 protected:
  static EngineConfig on_gpu(int32_t num_drafts) {
    EngineConfig config = EngineFixture::config(num_drafts);
    config.device = DeviceChoice::kCuda;
    return config;
  }

  static EngineConfig with_fp8(EngineConfig config) {
    config.kv_cache_dtype = CacheDtype::kFp8;
    config.index_cache_dtype = CacheDtype::kFp8;
    return config;
  }
};

// Prompts and answers of several lengths, greedy and sampled, with every kind of setting.
std::vector<Request> requests() {
  std::vector<Request> all;
  for (int32_t i = 0; i < 6; ++i) {
    Request request;
    request.prompt = test::random_prompt(3 + 67 * i, static_cast<uint64_t>(i));
    request.max_tokens = 30 + 9 * i;
    request.sampling.temperature = i % 2 == 1 ? 0.8F : 0.0F;
    request.sampling.seed = i;
    all.push_back(std::move(request));
  }
  all[1].sampling.top_p = 0.9F;
  all[3].sampling.repetition_penalty = 1.2F;
  all[3].sampling.bad_token_ids = {TokenId{2}};
  all[4].sampling.logit_bias = {{.token = TokenId{1}, .bias = 0.5F}};
  all[5].num_logprobs = 2;
  all[5].max_tokens = 4;
  return all;
}

std::vector<std::vector<TokenId>> tokens_of(Engine& engine) {
  std::vector<std::vector<TokenId>> tokens;
  for (Output& output : test::run_all(engine, requests())) {
    tokens.push_back(std::move(output.tokens));
  }
  return tokens;
}

TEST_F(EngineGpuTest, CapturedRoundsSayWhatEagerOnesSay) {
  for (const int32_t drafts : {0, 1, 3, 7}) {
    SCOPED_TRACE(testing::Message() << drafts << " drafts");
    EngineConfig config = on_gpu(drafts);
    config.enforce_eager = true;
    const auto eager = tokens_of(*build(config));
    config.enforce_eager = false;

    EXPECT_EQ(tokens_of(*build(config)), eager);
    config.async_scheduling = true;
    EXPECT_EQ(tokens_of(*build(config)), eager) << "launched ahead";
  }
}

TEST_F(EngineGpuTest, DraftingChangesNoToken) {
  EngineConfig none = baseline();
  none.device = DeviceChoice::kCuda;
  const auto expected = tokens_of(*build(none));

  for (const int32_t drafts : {0, 2, 7}) {
    EXPECT_EQ(tokens_of(*build(on_gpu(drafts))), expected) << drafts << " drafts";
  }
}

TEST_F(EngineGpuTest, Fp8KvKeepsTheEqualities) {
  EngineConfig none = with_fp8(baseline());
  none.device = DeviceChoice::kCuda;
  const auto expected = tokens_of(*build(none));

  for (const int32_t drafts : {0, 3}) {
    EngineConfig config = with_fp8(on_gpu(drafts));
    EXPECT_EQ(tokens_of(*build(config)), expected) << drafts << " drafts";
    config.enforce_eager = true;
    EXPECT_EQ(tokens_of(*build(config)), expected) << drafts << " drafts, eager";
  }
}

TEST_F(EngineGpuTest, TakesNoDeviceMemoryAfterTheStart) {
  const auto engine = build(on_gpu(3));
  const int64_t before = cuda::num_device_allocations();

  (void)tokens_of(*engine);

  EXPECT_EQ(cuda::num_device_allocations(), before);
}

}  // namespace
}  // namespace talon
