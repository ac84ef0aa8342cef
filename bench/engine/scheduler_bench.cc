// Processor time of one scheduler step, plan and commit, at 1 to 256 running sequences. Goal: under
// 50 us at 256. It is the thread's own time, so that what else runs on the machine counts little.
// The device's part is made up outside of the measured time: each round accepts half
// of its drafts, and readers take the events, both outside of the measured time. Sequences that end
// are replaced, so a few steps hold prompts, and pages are published and shared as under load.
//
//   build/bench/scheduler_bench
#include "engine/scheduler.h"

#include <benchmark/benchmark.h>

#include <ctime>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace {

using talon::Request;
using talon::RowResult;
using talon::Scheduler;
using talon::SchedulerConfig;
using talon::StepPlan;
using talon::StepResult;
using talon::TokenId;

constexpr int32_t kPromptTokens = 300;
constexpr int32_t kAnswerTokens = 400;
constexpr int32_t kDrafts = 3;

SchedulerConfig config_for(int32_t num_sequences) {
  SchedulerConfig config;
  config.num_pages = num_sequences * 8 + 1;
  config.context_limit = 1024;
  config.vocab_size = 1000;
  config.max_sequences = num_sequences;
  config.max_rows = num_sequences * (kDrafts + 1) + 512;
  config.max_logit_rows = num_sequences * (kDrafts + 1);
  config.max_drafts = kDrafts;
  config.has_drafter = true;
  config.max_queue_len = num_sequences;
  config.end_token_ids = {TokenId{0}, TokenId{1}};
  return config;
}

double thread_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

class Load {
 public:
  explicit Load(int32_t num_sequences)
      : num_sequences_(num_sequences), scheduler_(config_for(num_sequences)) {}

  void fill() {
    while (scheduler_.num_running() + scheduler_.num_waiting() < num_sequences_) {
      Request request;
      request.max_tokens = kAnswerTokens - static_cast<int32_t>(++num_requests_ % 200);
      for (int32_t i = 0; i < kPromptTokens; ++i) {
        // One shared page, then a prompt of its own.
        const int64_t token = i < 128 ? i : num_requests_ * 7 + i;
        request.prompt.emplace_back(static_cast<int32_t>(2 + token % 900));
      }
      auto answer = scheduler_.add(std::move(request));
      readers_.push_back(std::get<std::vector<talon::Submission>>(answer).front().events);
    }
  }

  // Seconds of plan and commit.
  double step() {
    const double start = thread_seconds();
    const StepPlan plan = scheduler_.plan();
    const double planned = thread_seconds();
    StepResult result = run(plan);
    const double ran = thread_seconds();
    scheduler_.commit(std::move(result));
    const double end = thread_seconds();
    read_events();
    num_rows_ += static_cast<int64_t>(plan.rows.size());
    return (planned - start) + (end - ran);
  }

  int64_t num_rows() const { return num_rows_; }

 private:
  void read_events() {
    std::erase_if(readers_, [](const auto& events) {
      bool ended = false;
      while (const auto event = events->try_pop()) {
        ended = event->finish.has_value();
      }
      return ended;
    });
  }

  static StepResult run(const StepPlan& plan) {
    StepResult result;
    result.round = plan.round;
    for (const talon::PlanRow& row : plan.rows) {
      RowResult& out = result.rows.emplace_back();
      out.sequence = row.sequence;
      out.drafted = row.num_drafts;
      out.accepted = row.sample ? (row.num_drafts + 1) / 2 : 0;
      out.kv_len =
          row.first_position + (row.is_prefill() ? row.num_rows() : int64_t{1} + out.accepted);
      out.tokens.assign(row.sample ? static_cast<size_t>(out.accepted) + 1 : 0, TokenId{5});
      out.drafts.assign(static_cast<size_t>(row.drafts_to_make), TokenId{5});
    }
    return result;
  }

  int32_t num_sequences_;
  Scheduler scheduler_;
  std::vector<std::shared_ptr<talon::EventQueue>> readers_;
  int64_t num_requests_ = 0;
  int64_t num_rows_ = 0;
};

void scheduler_step(benchmark::State& state) {
  Load load(static_cast<int32_t>(state.range(0)));
  for (int i = 0; i < 500; ++i) {  // until sequences of all ages run
    load.fill();
    load.step();
  }
  const int64_t before = load.num_rows();
  for (auto _ : state) {
    load.fill();
    state.SetIterationTime(load.step());
  }
  state.counters["sequences"] =
      static_cast<double>(load.num_rows() - before) / static_cast<double>(state.iterations());
}

BENCHMARK(scheduler_step)
    ->Arg(1)
    ->Arg(16)
    ->Arg(64)
    ->Arg(256)
    ->UseManualTime()
    ->Unit(benchmark::kMicrosecond);

}  // namespace
