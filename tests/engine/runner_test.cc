// A runner that replays rounds of padded sizes says what one says that runs each step as it is: on
// the CPU, with an executor that keeps what is captured as a call. Covers: engine/batch_builder
// engine/executor engine/round
#include "engine/runner.h"

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "model/registry.h"
#include "spec/registry.h"
#include "support/engine_fixture.h"

namespace talon {
namespace {

using test::kVocab;
using test::Output;

class CallingExecutor : public Executor {
 public:
  explicit CallingExecutor(std::map<GraphKey, int>& replays)
      : replays_(replays), cpu_(make_cpu_executor(2, detect_cpu_path())) {}

  Stream stream() override { return cpu_->stream(); }
  void mark(int64_t launch) override { EXPECT_EQ(launch, marked_++); }
  void wait(int64_t launch) override { EXPECT_LT(launch, marked_); }
  bool can_capture() const override { return true; }
  void capture(const GraphKey& key, const std::function<void()>& body) override {
    EXPECT_TRUE(bodies_.emplace(key, body).second);
    marked_ = std::ssize(bodies_);  // each size ran once
  }
  void replay(const GraphKey& key) override {
    ++replays_[key];
    bodies_.at(key)();
  }

 private:
  std::map<GraphKey, int>& replays_;
  std::unique_ptr<Executor> cpu_;
  std::map<GraphKey, std::function<void()>> bodies_;
  int64_t marked_ = 0;
};

class RunnerTest : public test::EngineFixture {
 protected:
  // As build_engine does it, but for the executor.
  std::unique_ptr<Engine> build_replaying(const EngineConfig& config,
                                          const std::vector<int32_t>& draft_counts) {
    RunnerParts parts;
    parts.executor = std::make_unique<CallingExecutor>(replays_);
    parts.model = load_model(config.model_dir, {.type = config.dtype});
    parts.allowed = std::vector<uint8_t>(kVocab, 1);
    if (!config.draft_model_dir.empty()) {
      parts.drafter = load_drafter(config.draft_model_dir, *parts.model,
                                   {.type = config.dtype, .allowed = parts.allowed});
    }
    constexpr int32_t kPages = 300;
    const StepSizes sizes{.max_rows = config.max_num_batched_tokens,
                          .max_sequences = config.max_num_seqs,
                          .max_drafts = config.num_speculative_tokens,
                          .context_limit = config.max_model_len};
    SchedulerConfig scheduler;
    scheduler.num_pages = kPages;
    scheduler.context_limit = sizes.context_limit;
    scheduler.vocab_size = kVocab;
    scheduler.max_sequences = sizes.max_sequences;
    scheduler.max_rows = sizes.max_rows;
    scheduler.max_logit_rows = sizes.max_logit_rows();
    scheduler.max_drafts = sizes.max_drafts;
    scheduler.has_drafter = parts.drafter != nullptr;
    scheduler.launch_ahead = config.async_scheduling.value_or(false);
    scheduler.max_queue_len = config.max_queue_len;
    auto runner = std::make_unique<Runner>(std::move(parts), sizes, kPages);
    runner->capture(draft_counts);
    return std::make_unique<Engine>(std::move(runner), scheduler);
  }

  std::map<GraphKey, int> replays_;
};

// Prompts and answers of several lengths, greedy and sampled, with pages that end on the way.
std::vector<Request> requests() {
  std::vector<Request> all;
  for (int32_t i = 0; i < 5; ++i) {
    Request request;
    request.prompt = test::random_prompt(3 + 31 * i, static_cast<uint64_t>(i));
    request.max_tokens = 20 + 9 * i;
    request.sampling.temperature = i % 2 == 1 ? 0.8F : 0.0F;
    request.sampling.seed = i;
    request.max_drafts = i == 4 ? 1 : kMaxDrafts;
    all.push_back(std::move(request));
  }
  all[3].num_logprobs = 2;  // its steps are no replays
  all[3].max_tokens = 4;
  return all;
}

void expect_equal(const std::vector<Output>& a, const std::vector<Output>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].tokens, b[i].tokens) << "request " << i;
  }
}

TEST_F(RunnerTest, ReplayedRoundsSayTheSame) {
  for (const int32_t drafts : {0, 1, 3}) {
    for (const bool ahead : {false, true}) {
      SCOPED_TRACE(testing::Message() << drafts << " drafts, ahead " << ahead);
      EngineConfig config = this->config(drafts);
      config.async_scheduling = ahead;
      const auto plain = build(config);
      const auto replaying = build_replaying(config, {drafts});
      replays_.clear();

      expect_equal(test::run_all(*replaying, requests()), test::run_all(*plain, requests()));

      int sum = 0;
      for (const auto& [key, count] : replays_) {
        EXPECT_EQ(key.num_drafts, drafts);
        sum += count;
      }
      EXPECT_GT(sum, 10);
      EXPECT_GE(replays_.size(), 2U);  // sequences ended on the way
    }
  }
}

TEST_F(RunnerTest, WithoutADrafterToo) {
  const auto plain = build(baseline());
  const auto replaying = build_replaying(baseline(), {0});

  expect_equal(test::run_all(*replaying, requests()), test::run_all(*plain, requests()));

  EXPECT_FALSE(replays_.empty());
}

TEST_F(RunnerTest, TakesTheSmallestRoundThatHoldsTheStep) {
  const EngineConfig config = this->config(3);
  const auto replaying = build_replaying(config, {0, 1, 2, 3});
  Request request;
  request.prompt = test::random_prompt(9, 1);
  request.max_tokens = 40;
  request.max_drafts = 2;

  (void)test::run_all(*replaying, {request});

  ASSERT_FALSE(replays_.empty());
  for (const auto& [key, count] : replays_) {
    EXPECT_EQ(key.num_sequences, 1);
    EXPECT_LE(key.num_drafts, 2);
  }
  EXPECT_GT(replays_[(GraphKey{.num_sequences = 1, .num_drafts = 2})], 5);
}

}  // namespace
}  // namespace talon
