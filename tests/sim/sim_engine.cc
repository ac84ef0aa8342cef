#include "sim/sim_engine.h"

#include <fmt/format.h>

#include <utility>

#include "engine/step_trace.h"

namespace talon::test {
SimEngine::SimEngine(const SchedulerConfig& config,
                     uint64_t model_seed,
                     std::unique_ptr<SpecPolicy> policy,
                     std::ostream* trace)
    : config_(config),
      scheduler_(config, std::move(policy)),
      model_(config.vocab_size, model_seed),
      runner_(scheduler_.bounds(), model_, &scheduler_.pool()),
      trace_(trace) {
  if (trace_ != nullptr) {
    *trace_ << to_json_line(scheduler_.bounds()) << '\n';
  }
}

std::variant<std::vector<SeqId>, Refusal> SimEngine::add(const Request& request) {
  auto result = scheduler_.add(Request(request));
  if (auto* refusal = std::get_if<Refusal>(&result)) {
    return std::move(*refusal);
  }
  const auto& submissions = std::get<std::vector<Submission>>(result);
  demand(std::ssize(submissions) == request.num_choices, "not every choice was submitted");
  const AnswerSetup setup{.context_limit = config_.context_limit,
                          .vocab_size = config_.vocab_size,
                          .end_token_ids = config_.end_token_ids,
                          .prefix_caching = config_.prefix_caching};
  std::vector<SeqId> ids;
  for (size_t j = 0; j < submissions.size(); ++j) {
    AnswerCheck answer(setup, request, static_cast<int32_t>(j), submissions[j]);
    if (request.handoff == HandoffRole::kPrefill) {
      answer.expect_end(FinishReason::kPrefilled);
    }
    ids.push_back(answer.id());
    runner_.declare(answer.id(), answer.root(), request.prompt);
    answers_.emplace(ids.back(), std::move(answer));
  }
  return ids;
}

AnswerCheck SimEngine::end(SeqId id, FinishReason reason) {
  const auto it = answers_.find(id);
  demand(it != answers_.end(), "an end of nobody");
  it->second.expect_end(reason);
  if (reason == FinishReason::kCancelled) {
    scheduler_.cancel(id);
  } else {
    scheduler_.finish(id, reason);
  }
  demand(it->second.take_events(), "a sequence was told to end and has no last event");
  scheduler_.check_integrity();
  runner_.forget(id);
  return std::move(answers_.extract(it).mapped());
}

std::vector<AnswerCheck> SimEngine::fail_kv(std::span<const SeqId> choices, OnKvFailure policy) {
  std::vector<AnswerCheck> ended;
  if (policy == OnKvFailure::kEnd) {
    for (const SeqId id : choices) {
      if (const auto it = answers_.find(id); it != answers_.end()) {
        it->second.expect_end(FinishReason::kHandoffFailed);
        ended.push_back(std::move(answers_.extract(it).mapped()));
        runner_.forget(id);
      }
    }
  }
  demand(scheduler_.kv_failed(choices.front(), policy), "sequence {} awaits no KV",
         choices.front().value);
  scheduler_.check_integrity();
  for (AnswerCheck& answer : ended) {
    demand(answer.take_events(), "sequence {} goes on without its prompt", answer.id().value);
  }
  return ended;
}

std::vector<SeqId> SimEngine::living() const {
  std::vector<SeqId> ids;
  ids.reserve(answers_.size());
  for (const auto& [id, answer] : answers_) {
    ids.push_back(id);
  }
  return ids;
}

std::optional<StepPlan> SimEngine::plan() {
  StepPlan plan = scheduler_.plan();
  scheduler_.check_integrity();
  demand(!plan.ahead, "a full plan calls itself ahead");
  if (plan.empty()) {
    const bool waits_for_peers = scheduler_.num_held() > 0 || !scheduler_.awaiting_kv().empty() ||
                                 scheduler_.num_quarantined_pages() > 0;
    demand(answers_.empty() || waits_for_peers,
           "nothing is in flight, somebody waits, and the plan is empty");
    return std::nullopt;
  }
  launch(plan);
  return plan;
}

std::optional<StepPlan> SimEngine::plan_ahead() {
  std::optional<StepPlan> plan = scheduler_.plan_ahead();
  if (!plan.has_value()) {
    return std::nullopt;
  }
  scheduler_.check_integrity();
  demand(config_.launch_ahead && plan->ahead, "a plan ahead that nobody wanted");
  for (const PlanRow& row : plan->rows) {
    const auto it = answers_.find(row.sequence);
    demand(it != answers_.end(), "a plan ahead has a row of an ended sequence");
    demand(!it->second.has_constraint(), "a plan ahead has a row under a grammar");
  }
  launch(*plan);
  return plan;
}

void SimEngine::launch(const StepPlan& plan) {
  runner_.launch(plan);
  if (trace_ != nullptr) {
    launched_.push_back(plan);
  }
}

std::vector<AnswerCheck> SimEngine::commit() {
  const StepResult result = runner_.wait();
  if (trace_ != nullptr) {
    *trace_ << to_json_line(launched_.front()) << '\n' << to_json_line(result) << '\n';
    launched_.pop_front();
  }
  scheduler_.commit(result);
  scheduler_.check_integrity();
  std::vector<AnswerCheck> ended;
  for (const RowResult& row : result.rows) {
    const auto it = answers_.find(row.sequence);
    if (it != answers_.end() && it->second.take_events()) {
      runner_.forget(row.sequence);
      ended.push_back(std::move(answers_.extract(it).mapped()));
    }
  }
  return ended;
}

std::vector<AnswerCheck> SimEngine::run() {
  std::vector<AnswerCheck> ended;
  while (scheduler_.num_in_flight() > 0 || plan().has_value()) {
    if (scheduler_.num_in_flight() == 1) {
      plan_ahead();
    }
    std::vector<AnswerCheck> now = commit();
    std::move(now.begin(), now.end(), std::back_inserter(ended));
  }
  return ended;
}

void SimEngine::check_idle() {
  demand(answers_.empty() && !scheduler_.has_work(), "a sequence did not end");
  demand(scheduler_.num_waiting() == 0 && scheduler_.num_running() == 0 &&
             scheduler_.num_in_flight() == 0,
         "the scheduler has no work and counts some");
  demand(scheduler_.num_held() == 0 && scheduler_.awaiting_kv().empty() &&
             scheduler_.quarantined().empty(),
         "pages are kept for a handoff");
  demand(runner_.num_known() == 0, "the runner remembers a sequence");
  const PagePool& pool = scheduler_.pool();
  demand(pool.num_available() == pool.num_pages() - 1, "pages are leaked");
  demand(config_.prefix_caching || pool.num_cached() == 0, "a page is cached for nobody");
  scheduler_.clear_prefix_cache();
  demand(pool.num_free() == pool.num_pages() - 1, "pages stay cached");
  scheduler_.check_integrity();
}

}  // namespace talon::test
