#include "sim/simulation.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <utility>

#include "sim/abort_note.h"

namespace talon::test {
namespace {

constexpr size_t kEndedKept = 4;
constexpr int64_t kStepsPerPriority = 256;

// Any number of drafts for each sequence, another one each step.
class RandomPolicy final : public SpecPolicy {
 public:
  explicit RandomPolicy(uint64_t seed) : rng_(seed) {}

  std::string_view name() const override { return "random"; }

  void choose(std::span<const SpecRow> rows, std::span<int32_t> num_drafts) override {
    for (size_t i = 0; i < rows.size(); ++i) {
      num_drafts[i] = static_cast<int32_t>(rng_.below(rows[i].max_drafts + 1));
    }
  }

 private:
  SimRng rng_;
};

std::unique_ptr<SpecPolicy> make_policy(const SimSetup& setup) {
  return setup.random_policy ? std::make_unique<RandomPolicy>(setup.seed ^ 0x90C1) : nullptr;
}

bool has_row(const StepPlan& plan, SeqId id) {
  return std::any_of(plan.rows.begin(), plan.rows.end(),
                     [id](const PlanRow& row) { return row.sequence == id; });
}

}  // namespace

SimReport& SimReport::operator+=(const SimReport& other) {
  steps += other.steps;
  ahead_steps += other.ahead_steps;
  preemptions += other.preemptions;
  prefix_hits += other.prefix_hits;
  sequences += other.sequences;
  refusals += other.refusals;
  ended_by_caller += other.ended_by_caller;
  tokens += other.tokens;
  if (fault.empty()) {
    fault = other.fault;
  }
  return *this;
}

std::string to_string(const SimReport& report) {
  return fmt::format(
      "steps={} ahead={} preemptions={} prefix_hits={} sequences={} refusals={} "
      "ended_by_caller={} tokens={}",
      report.steps, report.ahead_steps, report.preemptions, report.prefix_hits, report.sequences,
      report.refusals, report.ended_by_caller, report.tokens);
}

Simulation::Simulation(const SimSetup& setup, std::ostream* trace)
    : setup_(setup),
      rng_(setup.seed ^ 0x51A7E5),
      traffic_(setup_),
      engine_(setup.scheduler, setup.seed, make_policy(setup), trace),
      requests_left_(setup.traffic.num_requests) {}

SimReport Simulation::run() {
  const AbortNote note(fmt::format("replay: talon_sim_test --seed={}\n", setup_.seed));
  const SchedulerStats& stats = engine_.scheduler().stats();
  try {
    while (requests_left_ > 0 || engine_.scheduler().has_work()) {
      step();
    }
    demand(living_.empty(), "the scheduler has no work and a sequence did not end");
    engine_.check_idle();
  } catch (const Violation& violation) {
    report_.fault =
        fmt::format("seed {}, step {}: {}\n  {}\n  replay: talon_sim_test --seed={}", setup_.seed,
                    stats.steps, violation.what(), to_string(setup_), setup_.seed);
  }
  report_.steps = stats.steps;
  report_.ahead_steps = stats.ahead_steps;
  report_.preemptions = stats.preemptions;
  report_.prefix_hits = stats.prefix_hits;
  return report_;
}

void Simulation::step() {
  moment();
  if (engine_.scheduler().num_in_flight() == 0 && !plan()) {
    return;
  }
  moment();
  if (engine_.scheduler().num_in_flight() == 1 && rng_.chance(setup_.ahead)) {
    plan_ahead();
    moment();
  }
  commit();
  check_progress();
}

// What callers do between two calls of the loop.
void Simulation::moment() {
  const TrafficSetup& traffic = setup_.traffic;
  if (requests_left_ > 0) {
    if (burst_left_ == 0 && rng_.chance(traffic.burst)) {
      burst_left_ = rng_.between(2, 12);
    }
    if (burst_left_ > 0 || living_.empty() || rng_.chance(traffic.arrival)) {
      burst_left_ = std::max<int64_t>(0, burst_left_ - 1);
      arrive();
    }
  }
  if (rng_.chance(traffic.cancel)) {
    rng_.chance(0.6) ? end_somebody() : end_harmlessly();
  }
  if (rng_.chance(traffic.clear_cache)) {
    engine_.scheduler().clear_prefix_cache();
    engine_.scheduler().check_integrity();
  }
}

void Simulation::arrive() {
  --requests_left_;
  const Arrival arrival = traffic_.next();
  const Request& request = arrival.request;
  const SchedulerConfig& config = setup_.scheduler;
  const bool is_full =
      request.num_choices > config.max_queue_len - engine_.scheduler().num_waiting();
  const auto answer = engine_.add(request);
  if (const auto* refusal = std::get_if<Refusal>(&answer)) {
    ++report_.refusals;
    demand(arrival.is_faulty || is_full, "a good request is refused with room in the queue");
    demand(!refusal->field.empty() && !refusal->message.empty(), "a refusal says nothing");
    demand((refusal->code == Refusal::Code::kQueueFull) == !arrival.is_faulty,
           "a refusal has the wrong code");
  } else {
    demand(!arrival.is_faulty, "a faulty request is taken");
    demand(!is_full, "the queue grows past its limit");
    const auto& ids = std::get<std::vector<SeqId>>(answer);
    for (const SeqId id : ids) {
      const int64_t rank =
          config.use_priorities ? request.priority * kStepsPerPriority + num_plans_ : 0;
      const Service service{
          .order = {.rank = rank, .arrival = id.value}, .leader = ids.front(), .has_slot = false};
      demand(living_.emplace(id, service).second, "an id is given twice");
      ++report_.sequences;
    }
  }
  // The first in order ends within its length in steps, or is overtaken by one that ends before.
  most_steps_to_the_end_ = 4 * (std::ssize(living_) + 1) * (config.context_limit + 2);
}

void Simulation::end_somebody() {
  if (living_.empty()) {
    return;
  }
  const SeqId id = std::next(living_.begin(), rng_.below(std::ssize(living_)))->first;
  remove(engine_.end(id, rng_.chance(0.5) ? FinishReason::kCancelled : FinishReason::kStop));
  ++report_.ended_by_caller;
  if (rng_.chance(0.3)) {
    engine_.scheduler().cancel(id);
    ended_.back().take_events();  // there must be none
  }
}

// Ends that change nothing: of ended and of unknown sequences.
void Simulation::end_harmlessly() {
  Scheduler& scheduler = engine_.scheduler();
  const int32_t running = scheduler.num_running();
  const int32_t waiting = scheduler.num_waiting();
  SeqId id{rng_.pick<int64_t>({-1, 0, int64_t{1} << 40})};
  AnswerCheck* answer = nullptr;
  if (!ended_.empty() && rng_.chance(0.7)) {
    answer = &ended_[static_cast<size_t>(rng_.below(std::ssize(ended_)))];
    id = answer->id();
  }
  if (rng_.chance(0.5)) {
    scheduler.cancel(id);
  } else {
    scheduler.finish(id, FinishReason::kStop);
  }
  if (answer != nullptr) {
    answer->take_events();  // there must be none
  }
  demand(running == scheduler.num_running() && waiting == scheduler.num_waiting(),
         "a harmless call changed who is served");
  scheduler.check_integrity();
}

void Simulation::remove(AnswerCheck&& answer) {
  living_.erase(answer.id());
  report_.tokens += answer.num_output_tokens();
  traffic_.remember(std::vector<TokenId>(answer.history().tokens()));
  ended_.push_back(std::move(answer));
  if (ended_.size() > kEndedKept) {
    ended_.pop_front();
  }
}

bool Simulation::plan() {
  const int64_t preemptions = engine_.scheduler().stats().preemptions;
  const std::optional<StepPlan> plan = engine_.plan();
  ++num_plans_;
  if (plan.has_value()) {
    check_service(*plan, engine_.scheduler().stats().preemptions - preemptions);
  }
  return plan.has_value();
}

void Simulation::plan_ahead() {
  const std::optional<StepPlan> plan = engine_.plan_ahead();
  if (!plan.has_value()) {
    return;
  }
  ++num_plans_;
  for (const auto& [id, service] : living_) {
    demand(!service.has_slot || has_row(*plan, id), "a plan ahead leaves out one that runs");
  }
}

void Simulation::commit() {
  for (AnswerCheck& answer : engine_.commit()) {
    remove(std::move(answer));
  }
}

void Simulation::check_service(const StepPlan& plan, int64_t num_preempted) {
  if (num_preempted > 0) {
    take_victims(plan, num_preempted);
  }
  const Service* first_running = nullptr;
  for (const auto& [id, service] : living_) {
    if (service.has_slot && (first_running == nullptr || service.order < first_running->order)) {
      first_running = &service;
    }
  }
  demand(first_running == nullptr || has_row(plan, SeqId{first_running->order.arrival}),
         "the first in order of those that run has no row");
  const Service* last_admitted = nullptr;
  for (const PlanRow& row : plan.rows) {
    const auto it = living_.find(row.sequence);
    demand(it != living_.end(), "a row of an ended sequence");
    Service& service = it->second;
    if (!service.has_slot && (last_admitted == nullptr || last_admitted->order < service.order)) {
      last_admitted = &service;
    }
    service.has_slot = true;
  }
  if (last_admitted != nullptr) {
    check_turns(last_admitted->order);
  }
}

// Who stands before the last that was admitted was admitted too, or waits for its first choice to
// compute the prompt that they share.
void Simulation::check_turns(const ServiceOrder& last_admitted) const {
  for (const auto& [id, service] : living_) {
    if (!service.has_slot && service.order < last_admitted) {
      demand(service.leader != id && living_.contains(service.leader) &&
                 engine_.answer(id).num_output_tokens() == 0,
             "one that waits was overtaken");
    }
  }
}

// The last in order are those that lose their slots, and never the very first.
void Simulation::take_victims(const StepPlan& plan, int64_t num_preempted) {
  std::vector<Service*> running;
  const Service* first = nullptr;
  for (auto& [id, service] : living_) {
    if (service.has_slot) {
      running.push_back(&service);
    }
    if (first == nullptr || service.order < first->order) {
      first = &service;
    }
  }
  std::sort(running.begin(), running.end(),
            [](const Service* a, const Service* b) { return a->order < b->order; });
  demand(num_preempted < std::ssize(running), "everybody was preempted");
  for (Service* victim : std::span(running).last(static_cast<size_t>(num_preempted))) {
    demand(!has_row(plan, SeqId{victim->order.arrival}),
           "another than the last in order was preempted");
    demand(victim != first, "the first in order was preempted");
    victim->has_slot = false;
  }
}

void Simulation::check_progress() {
  if (requests_left_ == 0) {
    ++steps_since_arrival_;
    demand(steps_since_arrival_ <= most_steps_to_the_end_, "nobody comes and they do not end");
  }
}

SimReport simulate(uint64_t seed, std::ostream* trace) {
  return Simulation(make_setup(seed), trace).run();
}

}  // namespace talon::test
