// Requests from admission to the end of their answer, with a client whose reading the test decides.
#include "server/generation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <semaphore>
#include <string>
#include <utility>
#include <vector>

#include "base/bounded_queue.h"
#include "stream/local_model.h"
#include "support/temp_dir.h"
#include "support/tiny_model.h"

namespace talon::server {
namespace {

using Clock = std::chrono::steady_clock;
using testing::HasSubstr;

// Frames of the tokens' number, so that the test can count them.
class CountingAnswer : public Answer {
 public:
  void push(int32_t, const ChoiceOutput& output) override {
    held_ += std::ssize(output.tokens);
    total_ += std::ssize(output.tokens);
  }
  void finish(int32_t, const ChoiceEnd&) override { is_done_ = true; }
  std::optional<int64_t> stop_after(int32_t) const override {
    return total_ >= stop_after_ ? std::optional(stop_after_) : std::nullopt;
  }
  bool is_done() const override { return is_done_; }
  bool holds_text() const override { return held_ > 0; }
  UsageCounts usage() const override { return {}; }
  std::string take_frames(bool all) override {
    return all || held_ >= 4 ? std::string(static_cast<size_t>(std::exchange(held_, 0)), '.') : "";
  }
  std::string body(const std::optional<UsageTimings>&) const override {
    return std::string(static_cast<size_t>(held_), '.');
  }

  int64_t stop_after_ = 1'000'000;

 private:
  int64_t held_ = 0;
  int64_t total_ = 0;
  bool is_done_ = false;
};

class GenerationTest : public testing::Test {
 protected:
  GenerationTest() {
    test::write_target(dir_ / "target");
    EngineConfig config;
    config.model_dir = dir_ / "target";
    config.max_model_len = 1024;
    config.max_num_seqs = 2;
    config.max_queue_len = 1;
    model_ = open_local_model(config);
    engine_ = std::make_unique<EngineThread>(*model_.engine, 64, [this] {
      if (takes_turns_) {
        turns_.acquire();
      }
    });
    options_.stall_timeout = std::chrono::milliseconds(1);
    options_.stream_buffer_bytes = 100;
    options_.queue_timeout = std::chrono::minutes(5);
    generations_ = std::make_unique<Generations>(
        *model_.tokenizer, *engine_, metrics_, options_,
        [this](std::function<void()> task) { EXPECT_TRUE(tasks_.try_push(std::move(task))); });
  }

  ~GenerationTest() override {
    takes_turns_ = false;
    turns_.release();
  }

  // From here on the engine makes a turn or two for each request that starts, and no other.
  void take_turns() { takes_turns_ = true; }

  std::shared_ptr<Exchange> start(int32_t max_tokens,
                                  bool stream,
                                  int32_t num_choices = 1,
                                  int64_t stop_after = 1'000'000) {
    auto exchange = std::make_shared<Exchange>(HttpRequest{.id = "the-id"});
    GenerationRequest request;
    request.requests.push_back({.prompt = model_.tokenizer->encode("Once"),
                                .max_tokens = max_tokens,
                                .ignore_eos = true,
                                .num_choices = num_choices});
    request.stream = stream;
    request.arrival = Clock::now();
    request.deadline = Clock::now() + std::chrono::minutes(10);
    auto answer = std::make_unique<CountingAnswer>();
    answer->stop_after_ = stop_after;
    request.answer = std::move(answer);
    generations_->start(exchange, std::move(request));
    turns_.release();
    run_task();  // the engine's answer
    return exchange;
  }

  // The next task that came for the io thread.
  void run_task() {
    std::optional<std::function<void()>> task =
        tasks_.pop_until(Clock::now() + std::chrono::seconds(20));
    ASSERT_TRUE(task.has_value());
    (*task)();
  }

  void pump_until(const std::function<bool()>& condition) {
    const auto deadline = Clock::now() + std::chrono::seconds(20);
    while (!condition() && Clock::now() < deadline) {
      generations_->pump();
      generations_->tick(Clock::now());
    }
    EXPECT_TRUE(condition());
  }

  bool is_idle() const {
    const EngineSnapshot now = engine_->snapshot();
    return now.num_running == 0 && now.num_waiting == 0;
  }

  test::TempDir dir_;
  LocalModel model_;
  Metrics metrics_;
  GenerationOptions options_;
  BoundedQueue<std::function<void()>> tasks_{64};
  std::atomic<bool> takes_turns_ = false;
  std::counting_semaphore<> turns_{0};
  std::unique_ptr<EngineThread> engine_;
  std::unique_ptr<Generations> generations_;
};

TEST_F(GenerationTest, AWholeAnswerComesAtItsEnd) {
  const std::shared_ptr<Exchange> exchange = start(30, false);

  pump_until([&] { return exchange->is_over(); });

  EXPECT_EQ(exchange->take(), std::string(30, '.'));
  EXPECT_EQ(generations_->num_active(), 0U);
}

TEST_F(GenerationTest, AnAnswerThatHasAllEndsItsSequence) {
  const std::shared_ptr<Exchange> exchange = start(900, false, 1, 5);

  pump_until([&] { return exchange->is_over(); });

  EXPECT_LT(exchange->take().size(), 900U);
  pump_until([&] { return is_idle(); });
}

TEST_F(GenerationTest, AStreamGivesEveryTokenOnce) {
  const std::shared_ptr<Exchange> exchange = start(101, true);
  std::string all;

  pump_until([&] {
    all += exchange->has_begun() ? exchange->take() : "";
    exchange->written();
    return exchange->is_over();
  });

  EXPECT_EQ(all + exchange->take(), std::string(101, '.'));
}

TEST_F(GenerationTest, AClientThatReadsNothingIsCutOffAndItsPagesAreFree) {
  const std::shared_ptr<Exchange> exchange = start(900, true);

  pump_until([&] { return exchange->is_over(); });

  EXPECT_TRUE(exchange->is_cut());
  // It holds what fitted half the buffer and one frame more, not the whole answer.
  EXPECT_LT(exchange->num_unsent_bytes(), 900U);
  pump_until([&] { return is_idle(); });
}

TEST_F(GenerationTest, AClientThatLeavesIsCancelled) {
  const std::shared_ptr<Exchange> exchange = start(900, true);

  exchange->client_left();

  EXPECT_EQ(generations_->num_active(), 0U);
  pump_until([&] { return is_idle(); });
}

TEST_F(GenerationTest, ARequestCanBeAbortedByItsId) {
  const std::shared_ptr<Exchange> exchange = start(900, false);

  EXPECT_FALSE(generations_->abort("another"));
  EXPECT_TRUE(generations_->abort("the-id"));

  EXPECT_EQ(exchange->status(), 500);
  EXPECT_THAT(exchange->take(), HasSubstr("aborted"));
  pump_until([&] { return is_idle(); });
}

TEST_F(GenerationTest, FailingAllEndsStreamsWithTheReason) {
  const std::shared_ptr<Exchange> exchange = start(900, true);
  pump_until([&] { return exchange->has_begun(); });

  generations_->fail_all({.status = 503, .code = "draining"});

  EXPECT_TRUE(exchange->is_cut());
  EXPECT_THAT(exchange->take(), HasSubstr("draining"));
  EXPECT_EQ(generations_->num_active(), 0U);
}

TEST_F(GenerationTest, WhatTheEngineRefusesIsAnswered) {
  take_turns();
  std::vector<std::shared_ptr<Exchange>> kept;
  for (int32_t i = 1; i <= 2; ++i) {
    kept.push_back(start(900, true));
    pump_until([&] { return engine_->snapshot().num_running == i; });
  }
  kept.push_back(start(900, true));  // waits: the queue is full

  const std::shared_ptr<Exchange> refused = start(10, true);

  EXPECT_EQ(refused->status(), 429);
  EXPECT_THAT(refused->take(), HasSubstr("queue_full"));
  for (const std::shared_ptr<Exchange>& exchange : kept) {
    exchange->client_left();
  }
}

TEST_F(GenerationTest, OnlyAWaitBeforeAdmissionIsTooLong) {
  take_turns();
  std::vector<std::shared_ptr<Exchange>> running;
  for (int32_t i = 1; i <= 2; ++i) {
    running.push_back(start(900, false));
    pump_until([&] { return engine_->snapshot().num_running == i; });
  }
  const std::shared_ptr<Exchange> waiting = start(10, false);

  generations_->tick(Clock::now() + std::chrono::minutes(4));
  EXPECT_FALSE(waiting->is_over());
  generations_->tick(Clock::now() + std::chrono::minutes(6));

  EXPECT_EQ(waiting->status(), 503);
  EXPECT_THAT(waiting->take(), HasSubstr("queue_timeout"));
  EXPECT_THAT(waiting->head().headers, testing::Contains(testing::Pair("retry-after", "1")));
  for (const std::shared_ptr<Exchange>& exchange : running) {
    EXPECT_FALSE(exchange->is_over());
    exchange->client_left();
  }
}

}  // namespace
}  // namespace talon::server
