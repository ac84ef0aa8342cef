#include "sim/handoff_sim.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "sim/abort_note.h"

namespace talon::test {
namespace {

// Far more than the slowest way of the longest answers takes.
constexpr int64_t kMostMomentsToTheEnd = 2'000'000;

}  // namespace

HandoffReport& HandoffReport::operator+=(const HandoffReport& other) {
  steps += other.steps;
  preemptions += other.preemptions;
  sequences += other.sequences;
  handoffs += other.handoffs;
  refusals += other.refusals;
  ended_by_caller += other.ended_by_caller;
  tokens += other.tokens;
  transport.asked += other.transport.asked;
  transport.arrived += other.transport.arrived;
  transport.failed += other.transport.failed;
  transport.stopped += other.transport.stopped;
  transport.copies += other.transport.copies;
  transport.late_copies += other.transport.late_copies;
  transport.stale_copies += other.transport.stale_copies;
  transport.skipped_pages += other.transport.skipped_pages;
  if (fault.empty()) {
    fault = other.fault;
  }
  return *this;
}

std::string to_string(const HandoffReport& report) {
  const TransportStats& transport = report.transport;
  return fmt::format(
      "steps={} preemptions={} sequences={} handoffs={} refusals={} ended_by_caller={} tokens={} "
      "asked={} arrived={} failed={} stopped={} copies={} late={} stale={} skipped={}",
      report.steps, report.preemptions, report.sequences, report.handoffs, report.refusals,
      report.ended_by_caller, report.tokens, transport.asked, transport.arrived, transport.failed,
      transport.stopped, transport.copies, transport.late_copies, transport.stale_copies,
      transport.skipped_pages);
}

HandoffSimulation::HandoffSimulation(const HandoffSetup& setup, BrokenRule broken)
    : setup_(setup),
      rng_(setup.seed ^ 0x51A7E5),
      traffic_(setup_.decode),
      prefill_(setup.prefill, setup.seed),
      decode_(setup.decode.scheduler, setup.seed),
      transport_(prefill_,
                 decode_,
                 setup,
                 broken,
                 [this](AnswerCheck&& answer) { take(std::move(answer)); }),
      requests_left_(setup.decode.traffic.num_requests) {}

HandoffReport HandoffSimulation::run() {
  const std::string replay = fmt::format("replay: talon_sim_test --handoff-seed={}\n", setup_.seed);
  const AbortNote note(replay);
  try {
    while (!is_over()) {
      moment();
      drive(prefill_);
      drive(decode_);
    }
    prefill_.check_idle();
    decode_.check_idle();
  } catch (const Violation& violation) {
    report_.fault = fmt::format("seed {}: {}\n  {}\n  {}", setup_.seed, violation.what(),
                                to_string(setup_), replay);
  }
  report_.transport = transport_.stats();
  for (const SimEngine* engine : {&prefill_, &decode_}) {
    report_.steps += engine->scheduler().stats().steps;
    report_.preemptions += engine->scheduler().stats().preemptions;
  }
  return report_;
}

bool HandoffSimulation::is_over() const {
  return requests_left_ == 0 && promised_.empty() && transport_.is_idle() &&
         prefill_.num_living() == 0 && decode_.num_living() == 0 &&
         prefill_.scheduler().num_in_flight() == 0 && decode_.scheduler().num_in_flight() == 0;
}

void HandoffSimulation::drive(SimEngine& engine) {
  if (engine.scheduler().num_in_flight() == 0 && !engine.plan().has_value()) {
    return;
  }
  moment();
  if (engine.scheduler().num_in_flight() == 1 && rng_.chance(setup_.decode.ahead)) {
    engine.plan_ahead();
    moment();
  }
  for (AnswerCheck& answer : engine.commit()) {
    take(std::move(answer));
  }
}

// What callers and the transport do between two calls of the loops.
void HandoffSimulation::moment() {
  const TrafficSetup& traffic = setup_.decode.traffic;
  if (requests_left_ > 0) {
    if (burst_left_ == 0 && rng_.chance(traffic.burst)) {
      burst_left_ = rng_.between(2, 12);
    }
    const bool is_quiet = prefill_.num_living() + decode_.num_living() == 0;
    if (burst_left_ > 0 || is_quiet || rng_.chance(traffic.arrival)) {
      burst_left_ = std::max<int64_t>(0, burst_left_ - 1);
      arrive();
    }
  } else {
    ++moments_since_arrival_;
    demand(moments_since_arrival_ < kMostMomentsToTheEnd, "nobody comes and they do not end");
  }
  if (rng_.chance(traffic.cancel)) {
    end_somebody();
  }
  if (rng_.chance(traffic.clear_cache)) {
    SimEngine& engine = rng_.chance(0.5) ? prefill_ : decode_;
    engine.scheduler().clear_prefix_cache();
    engine.scheduler().check_integrity();
  }
  keep_promises();
  transport_.tick();
}

std::optional<std::vector<SeqId>> HandoffSimulation::add(SimEngine& engine,
                                                         const Request& request,
                                                         bool is_faulty) {
  auto answer = engine.add(request);
  if (const auto* refusal = std::get_if<Refusal>(&answer)) {
    ++report_.refusals;
    demand(is_faulty || refusal->code == Refusal::Code::kQueueFull, "a good request is refused: {}",
           refusal->message);
    return std::nullopt;
  }
  demand(!is_faulty, "a faulty request is taken");
  auto ids = std::get<std::vector<SeqId>>(std::move(answer));
  report_.sequences += std::ssize(ids);
  return ids;
}

void HandoffSimulation::arrive() {
  --requests_left_;
  const Arrival arrival = traffic_.next();
  const Request& request = arrival.request;
  const bool may_be_handed_off =
      !arrival.is_faulty && request.prompt.size() >= 2 && request.num_prompt_logprobs < 0;
  if (may_be_handed_off && rng_.chance(setup_.handoff)) {
    hand_off(request);
    return;
  }
  const bool fits_prefill = request.num_choices <= setup_.prefill.max_queue_len;
  const bool is_local = rng_.chance(setup_.local_prefill) && fits_prefill;
  add(is_local ? prefill_ : decode_, request, arrival.is_faulty);
}

void HandoffSimulation::hand_off(const Request& request) {
  ++report_.handoffs;
  Request prompt = request;
  prompt.handoff = HandoffRole::kPrefill;
  prompt.num_choices = 1;
  prompt.constraints.clear();
  Promised promised{.source = std::nullopt, .request = request};
  promised.request.handoff = HandoffRole::kDecode;
  if (const auto ids = add(prefill_, prompt, /*is_faulty=*/false)) {
    promised.source = ids->front();
  }
  if (rng_.chance(setup_.early)) {
    decode(promised);
  } else {
    promised_.push_back(std::move(promised));
  }
}

// Prompts that are held, or that nobody computes, go on to the other side; some callers have left.
void HandoffSimulation::keep_promises() {
  for (size_t i = 0; i < promised_.size();) {
    const Promised& promised = promised_[i];
    const bool is_waiting = promised.source.has_value() && prefill_.lives(*promised.source);
    if (is_waiting || !rng_.chance(0.3)) {
      ++i;
      continue;
    }
    if (promised.source.has_value() && rng_.chance(0.05)) {
      transport_.drop(*promised.source);
    } else {
      decode(promised);
    }
    promised_.erase(promised_.begin() + static_cast<int64_t>(i));
  }
}

void HandoffSimulation::decode(const Promised& promised) {
  if (auto ids = add(decode_, promised.request, /*is_faulty=*/false)) {
    transport_.start(promised.source, std::move(*ids));
  } else if (promised.source.has_value()) {
    transport_.drop(*promised.source);
  }
}

void HandoffSimulation::end_somebody() {
  SimEngine& engine = rng_.chance(0.3) ? prefill_ : decode_;
  const std::vector<SeqId> living = engine.living();
  if (living.empty()) {
    return;
  }
  const SeqId id = living[static_cast<size_t>(rng_.below(std::ssize(living)))];
  take(engine.end(id, rng_.chance(0.5) ? FinishReason::kCancelled : FinishReason::kStop));
  ++report_.ended_by_caller;
  if (rng_.chance(0.3)) {
    engine.scheduler().cancel(id);
    engine.scheduler().release(id);
    engine.scheduler().check_integrity();
  }
}

void HandoffSimulation::take(AnswerCheck&& answer) {
  report_.tokens += answer.num_output_tokens();
  traffic_.remember(std::vector<TokenId>(answer.history().tokens()));
}

HandoffReport simulate_handoffs(uint64_t seed, BrokenRule broken) {
  return HandoffSimulation(make_handoff_setup(seed), broken).run();
}

}  // namespace talon::test
