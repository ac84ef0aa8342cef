// A scheduler driven by a script instead of a runner: every row that samples gives one token,
// unless a test says otherwise.
#pragma once

#include <algorithm>
#include <functional>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "engine/scheduler.h"

namespace talon::test {

inline constexpr TokenId kWord{7};

inline SchedulerConfig config_of(int32_t num_pages, int32_t max_sequences) {
  return {.num_pages = num_pages,
          .context_limit = std::min<int64_t>(512, int64_t{num_pages - 1} * kPageTokens),
          .vocab_size = 1000,
          .max_sequences = max_sequences,
          .max_rows = 64,
          .max_logit_rows = 64,
          .max_drafts = 3,
          .has_drafter = true,
          .max_queue_len = 16};
}

// A prompt that no other shares: its tokens start at `first`.
inline Request prompt_of(int64_t length, int32_t first, int32_t max_tokens = 100) {
  Request request{.prompt = {}, .max_tokens = max_tokens};
  for (int32_t i = 0; i < length; ++i) {
    request.prompt.emplace_back((first + i) % 1000);
  }
  return request;
}

inline Submission submit(Scheduler& scheduler, Request request) {
  return std::get<std::vector<Submission>>(scheduler.add(std::move(request))).front();
}

using Answer = std::function<std::vector<TokenId>(const PlanRow&)>;

inline std::vector<TokenId> one_token(const PlanRow&) { return {kWord}; }

inline StepResult answer(const StepPlan& plan, const Answer& tokens_of = one_token) {
  StepResult result{.round = plan.round, .rows = {}, .times = {}};
  for (const PlanRow& row : plan.rows) {
    RowResult out;
    out.sequence = row.sequence;
    out.drafted = row.num_drafts;
    if (row.sample) {
      out.tokens = tokens_of(row);
      out.accepted = static_cast<int32_t>(std::ssize(out.tokens)) - 1;
    }
    const int64_t valid = row.is_prefill() ? row.num_rows() : std::ssize(out.tokens);
    out.kv_len = row.first_position + valid;
    out.drafts.assign(static_cast<size_t>(row.drafts_to_make), kWord);
    result.rows.push_back(std::move(out));
  }
  return result;
}

inline StepPlan run(Scheduler& scheduler) {
  StepPlan plan = scheduler.plan();
  if (!plan.empty()) {
    scheduler.commit(answer(plan));
  }
  scheduler.check_integrity();
  return plan;
}

inline int64_t num_rows(const StepPlan& plan) {
  int64_t sum = 0;
  for (const PlanRow& row : plan.rows) {
    sum += row.num_rows();
  }
  return sum;
}

inline std::vector<TokenEvent> events_of(const Submission& submission) {
  std::vector<TokenEvent> events;
  while (std::optional<TokenEvent> event = submission.events->try_pop()) {
    events.push_back(std::move(*event));
  }
  return events;
}

}  // namespace talon::test
