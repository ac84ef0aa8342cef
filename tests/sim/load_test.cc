// Many requests, ended by chance at any moment: no page is lost and no container grows.
#include <gtest/gtest.h>
#include <malloc.h>

#include <iostream>
#include <vector>

#include "sim/sim_engine.h"
#include "sim/sim_rng.h"

namespace talon::test {
namespace {

SchedulerConfig busy_config() {
  SchedulerConfig config;
  config.num_pages = 60;
  config.context_limit = 700;
  config.vocab_size = 400;
  config.max_sequences = 12;
  config.max_rows = 96;
  config.max_logit_rows = 12 * 4;
  config.max_drafts = 3;
  config.has_drafter = true;
  config.launch_ahead = true;
  config.max_queue_len = 40;
  config.end_token_ids = {TokenId{7}};
  return config;
}

Request random_request(SimRng& rng) {
  Request request;
  const int64_t length = rng.between(1, 400);
  for (int64_t i = 0; i < length; ++i) {
    // Few different beginnings, so that prefixes are shared.
    request.prompt.emplace_back(static_cast<int32_t>(i < 256 ? i % 50 : rng.below(400)));
  }
  request.max_tokens = static_cast<int32_t>(rng.between(1, 200));
  request.num_choices = rng.chance(0.1) ? 3 : 1;
  return request;
}

// Submits `count` requests, ends about a third of them early, and runs until nobody is left.
void run_batch(SimEngine& engine, SimRng& rng, int64_t count) {
  std::vector<SeqId> living;
  const auto drop = [&living](SeqId id) { std::erase(living, id); };
  while (count > 0 || engine.scheduler().has_work()) {
    if (count > 0 && engine.scheduler().num_waiting() < 30) {
      --count;
      const auto ids = engine.add(random_request(rng));
      for (const SeqId id : std::get<std::vector<SeqId>>(ids)) {
        living.push_back(id);
      }
    }
    if (!living.empty() && rng.chance(0.02)) {
      const SeqId id = rng.pick(living);
      (void)engine.end(id, FinishReason::kCancelled);
      drop(id);
    }
    if (engine.scheduler().num_in_flight() == 0 && !engine.plan().has_value()) {
      continue;
    }
    if (engine.scheduler().num_in_flight() == 1 && rng.chance(0.5)) {
      engine.plan_ahead();
    }
    for (const AnswerCheck& answer : engine.commit()) {
      drop(answer.id());
    }
  }
}

TEST(LoadTest, TenThousandRequestsLeaveNoPageAndNoMemoryBehind) {
  SimRng rng(1);
  SimEngine engine(busy_config(), 1);
  const auto bytes_in_use = [] { return static_cast<int64_t>(mallinfo2().uordblks); };
  run_batch(engine, rng, 1000);
  engine.check_idle();
  const int64_t before = bytes_in_use();
  for (int i = 0; i < 9; ++i) {
    run_batch(engine, rng, 1000);

    EXPECT_FALSE(engine.scheduler().has_work());
    EXPECT_EQ(engine.scheduler().pool().num_available(), 59) << "pages are lost";
    engine.check_idle();
  }

  const int64_t growth = bytes_in_use() - before;
  std::cout << engine.scheduler().stats().steps << " steps, "
            << engine.scheduler().stats().preemptions << " preemptions, " << growth
            << " bytes more in use\n";
  // The first batch took what the engine needs; a sequence kept would be some 10 KB each.
  EXPECT_LT(growth, 64 << 10);
}

}  // namespace
}  // namespace talon::test
