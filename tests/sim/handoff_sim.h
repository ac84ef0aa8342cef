// Two engines, one that computes prompts and one that answers them, under seeded random load with a
// fake transport between them (fake_transport.h). A failing seed is replayed by its number alone,
//
//   build/tests/talon_sim_test --handoff-seed=N
//
// Requests are handed off or answered by either engine alone; both sides are asked at once, or the
// second one when the prompt is held. At any moment callers end sequences in any state of either
// engine, transfers fail, copies land late or twice, held prompts expire, and prefix caches are
// cleared. After each step both engines are checked as one is in simulation.h, but for the order of
// service: integrity, budget, ownership and content of every page of every row, each answer. No row
// may hold a page that a peer still writes, and no such page may be given away or published. At the
// end everything has ended on both sides, and every page is free or cached.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>

#include "sim/fake_transport.h"
#include "sim/handoff_setup.h"
#include "sim/sim_engine.h"
#include "sim/traffic.h"

namespace talon::test {

struct HandoffReport {
  int64_t steps = 0;  // plans with rows, of both
  int64_t preemptions = 0;
  int64_t sequences = 0;  // of both
  int64_t handoffs = 0;
  int64_t refusals = 0;
  int64_t ended_by_caller = 0;
  int64_t tokens = 0;
  TransportStats transport;
  std::string fault;  // empty: none

  HandoffReport& operator+=(const HandoffReport& other);
};

std::string to_string(const HandoffReport& report);

class HandoffSimulation {
 public:
  HandoffSimulation(const HandoffSetup& setup, BrokenRule broken);

  // To the end of all requests, or to the first fault.
  HandoffReport run();

 private:
  // A prompt that is computed before its other side is asked.
  struct Promised {
    std::optional<SeqId> source;
    Request request;
  };

  bool is_over() const;
  void moment();
  void drive(SimEngine& engine);
  void arrive();
  void hand_off(const Request& request);
  void keep_promises();
  void decode(const Promised& promised);
  std::optional<std::vector<SeqId>> add(SimEngine& engine, const Request& request, bool is_faulty);
  void end_somebody();
  void take(AnswerCheck&& answer);

  HandoffSetup setup_;
  SimRng rng_;
  Traffic traffic_;
  SimEngine prefill_;
  SimEngine decode_;
  FakeTransport transport_;
  std::deque<Promised> promised_;
  int32_t requests_left_;
  int64_t burst_left_ = 0;
  int64_t moments_since_arrival_ = 0;  // once no more come
  HandoffReport report_;
};

HandoffReport simulate_handoffs(uint64_t seed, BrokenRule broken = BrokenRule::kNone);

}  // namespace talon::test
