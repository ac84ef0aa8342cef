// Ten thousand requests with cancellations at any moment, on few pages: every page comes back, and
// memory stays as it was after the first thousand. Run by `./check --long`.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdint>
#include <fstream>
#include <vector>

#include "base/rng.h"
#include "engine/engine.h"
#include "support/engine_fixture.h"

namespace talon {
namespace {

constexpr int32_t kRequests = 10'000;
constexpr size_t kInFlight = 24;

int64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  int64_t total = 0;
  int64_t resident = 0;
  file >> total >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

class CancelLongTest : public test::EngineFixture {
 protected:
  // A number in [0, bound) for the `index`-th use.
  static int32_t draw(uint64_t index, int32_t bound) {
    return static_cast<int32_t>(uniform_float(7, index, RngPurpose::kTest) *
                                static_cast<float>(bound));
  }
};

// Prompts share their beginnings, so that cached pages take part as well.
Request make_request(int32_t number, int32_t prompt_len, int32_t max_tokens) {
  Request request{.prompt = test::random_prompt(prompt_len, static_cast<uint64_t>(number % 7)),
                  .max_tokens = max_tokens,
                  .num_choices = 1 + number % 2};
  request.sampling.temperature = number % 3 == 0 ? 1.0F : 0.0F;
  request.sampling.seed = number;
  return request;
}

TEST_F(CancelLongTest, NoPageIsLostAndMemoryStaysFlat) {
  EngineConfig few = config(3);
  few.max_model_len = 512;
  few.kv_cache_bytes = 4 << 20;  // 8 sequences do not fit: some are preempted
  const auto engine = build(few);
  engine->silence_alarm();  // the random head is as bad as it looks
  const int32_t num_pages = engine->scheduler().pool().num_available();
  std::vector<Submission> live;
  int32_t num_cancelled = 0;
  int64_t early_bytes = 0;
  uint64_t uses = 0;
  for (int32_t number = 0; number < kRequests || !live.empty();) {
    while (number < kRequests && live.size() < kInFlight) {
      const int32_t prompt_len = 1 + draw(uses++, 300);
      const int32_t max_tokens = 1 + draw(uses++, 60);
      const std::vector<Submission> choices =
          test::submit(*engine, make_request(number, prompt_len, max_tokens));
      live.insert(live.end(), choices.begin(), choices.end());
      early_bytes = ++number == kRequests / 10 ? resident_bytes() : early_bytes;
    }
    engine->step();
    if (draw(uses++, 4) == 0) {
      const auto victim = static_cast<size_t>(draw(uses++, static_cast<int32_t>(live.size())));
      engine->cancel(live[victim].id);
      engine->cancel(live[victim].id);  // twice is harmless
      ++num_cancelled;
    }
    std::erase_if(live, [](const Submission& submission) {
      bool is_over = false;
      while (const std::optional<TokenEvent> event = submission.events->try_pop()) {
        is_over = is_over || event->finish.has_value();
      }
      return is_over;
    });
  }
  while (engine->step()) {
  }

  engine->scheduler().check_integrity();
  EXPECT_EQ(engine->scheduler().pool().num_available(), num_pages);
  EXPECT_GT(num_cancelled, kRequests / 10);
  EXPECT_GT(engine->scheduler().stats().preemptions, 0);
  EXPECT_LE(resident_bytes(), early_bytes + early_bytes / 50);
  RecordProperty("cancelled", num_cancelled);
}

}  // namespace
}  // namespace talon
