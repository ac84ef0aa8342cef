// The engine's thread on a random model: tasks from many threads, and what readers get.
#include "server/engine_thread.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <memory>
#include <optional>
#include <thread>
#include <variant>
#include <vector>

#include "base/error.h"
#include "support/engine_fixture.h"

namespace talon::server {
namespace {

using Submissions = std::vector<Submission>;

class EngineThreadTest : public test::EngineFixture {};

Request request(uint64_t seed, int32_t max_tokens) {
  return {.prompt = test::random_prompt(20, seed), .max_tokens = max_tokens};
}

Submission submit(EngineThread& thread, Request request) {
  auto promise = std::make_shared<std::promise<Submission>>();
  EXPECT_TRUE(thread.post([promise, request](Engine& engine) {
    auto answer = engine.submit(Request(request));
    promise->set_value(std::move(std::get<Submissions>(answer).front()));
  }));
  return promise->get_future().get();
}

std::vector<TokenId> read_all(EventQueue& events, std::optional<FinishReason>& finish) {
  std::vector<TokenId> tokens;
  while (!finish.has_value()) {
    const std::optional<TokenEvent> event =
        events.pop_until(std::chrono::steady_clock::now() + std::chrono::seconds(20));
    if (!event.has_value()) {
      ADD_FAILURE() << "no event";
      break;
    }
    tokens.insert(tokens.end(), event->tokens.begin(), event->tokens.end());
    finish = event->finish;
  }
  return tokens;
}

TEST_F(EngineThreadTest, AnswersOfManyThreadsAreThoseOfOneAfterTheOther) {
  constexpr uint64_t kRequests = 6;
  std::vector<std::vector<TokenId>> expected;
  const std::unique_ptr<Engine> alone = build(config(3));
  for (uint64_t i = 0; i < kRequests; ++i) {
    auto answer = alone->submit(request(i, 30));
    while (alone->step()) {
    }
    std::optional<FinishReason> finish;
    expected.push_back(read_all(*std::get<Submissions>(answer).front().events, finish));
  }

  const std::unique_ptr<Engine> engine = build(config(3));
  std::atomic<int> notified{0};
  EngineThread thread(*engine, 64, [&] { ++notified; });
  std::vector<std::vector<TokenId>> tokens(kRequests);
  {
    std::vector<std::jthread> clients;
    for (uint64_t i = 0; i < kRequests; ++i) {
      clients.emplace_back([&, i] {
        std::optional<FinishReason> finish;
        tokens[i] = read_all(*submit(thread, request(i, 30)).events, finish);
      });
    }
  }

  EXPECT_EQ(tokens, expected);
  EXPECT_GT(notified.load(), 0);
}

TEST_F(EngineThreadTest, ACancelledRequestEnds) {
  const std::unique_ptr<Engine> engine = build(config(3));
  EngineThread thread(*engine, 64, [] {});
  const Submission submission = submit(thread, request(1, 4000));

  ASSERT_TRUE(thread.post([&](Engine& owned) { owned.cancel(submission.id); }));

  std::optional<FinishReason> finish;
  (void)read_all(*submission.events, finish);
  EXPECT_EQ(finish, FinishReason::kCancelled);
}

TEST_F(EngineThreadTest, AFullQueueOfTasksIsAnAnswer) {
  const std::unique_ptr<Engine> engine = build(config(3));
  std::promise<void> gate;
  std::promise<void> inside;
  EngineThread thread(*engine, 2, [] {});  // last: its task uses the others to its end
  ASSERT_TRUE(thread.post([&](Engine&) {
    inside.set_value();
    gate.get_future().wait();
  }));
  inside.get_future().wait();

  EXPECT_TRUE(thread.post([](Engine&) {}));
  EXPECT_TRUE(thread.post([](Engine&) {}));
  EXPECT_FALSE(thread.post([](Engine&) {}));
  EXPECT_GT(thread.stalled_for().count(), 0);
  gate.set_value();
}

TEST_F(EngineThreadTest, AnExceptionEndsTheThreadWithItsReason) {
  const std::unique_ptr<Engine> engine = build(config(3));
  engine->observe([](const StepPlan&, const StepResult&) {
    throw Error(ErrorCode::kUnavailable, "the device is lost");
  });
  std::promise<void> told;
  bool is_told = false;
  std::optional<EngineThread> thread;
  std::atomic<bool> is_ready = false;
  thread.emplace(*engine, 64, [&] {
    if (is_ready && thread->has_failed() && !is_told) {
      is_told = true;
      told.set_value();
    }
  });
  is_ready = true;

  (void)submit(*thread, request(1, 40));
  told.get_future().wait();

  EXPECT_EQ(thread->failure(), "the device is lost");
  EXPECT_FALSE(thread->post([](Engine&) {}));
  EXPECT_EQ(thread->stalled_for().count(), 0);
}

TEST_F(EngineThreadTest, EndsWithRequestsInFlight) {
  const std::unique_ptr<Engine> engine = build(config(3));
  {
    EngineThread thread(*engine, 64, [] {});
    (void)submit(thread, request(1, 4000));
  }
  EXPECT_TRUE(engine->scheduler().has_work());
}

}  // namespace
}  // namespace talon::server
