// A whole engine's life under seeded random load, with a fake runner in place of the device: every
// choice follows from the seed, so a failing one is replayed by its number alone,
//
//   build/tests/talon_sim_test --seed=N
//
// Between any two calls of the loop callers may come: requests in bursts, cancels and finishes of
// running, waiting, ended and unknown sequences. After each step the scheduler's own integrity, the
// budget, the ownership and content of pages (fake_runner.h), the order of service and each answer
// (answer_check.h) are checked; at the end everything must have ended and every page be free or
// cached. "Nobody waits for ever" is shown by the sequence that is first in order: once it runs it
// has rows in every plan and keeps its slot, nobody is admitted before it but the choices that wait
// for their first one, and when nobody runs somebody must be admitted.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <ostream>
#include <string>

#include "engine/scheduler.h"
#include "sim/answer_check.h"
#include "sim/sim_engine.h"
#include "sim/sim_rng.h"
#include "sim/sim_setup.h"
#include "sim/traffic.h"

namespace talon::test {

struct SimReport {
  int64_t steps = 0;  // plans with rows
  int64_t ahead_steps = 0;
  int64_t preemptions = 0;
  int64_t prefix_hits = 0;
  int64_t sequences = 0;
  int64_t refusals = 0;
  int64_t ended_by_caller = 0;
  int64_t tokens = 0;
  std::string fault;  // empty: none

  SimReport& operator+=(const SimReport& other);
};

std::string to_string(const SimReport& report);

class Simulation {
 public:
  // Writes plans and results to `trace` if there is one.
  explicit Simulation(const SimSetup& setup, std::ostream* trace = nullptr);

  // To the end of all requests, or to the first fault.
  SimReport run();

 private:
  // How a living sequence is served.
  struct Service {
    ServiceOrder order;
    SeqId leader;  // the first choice of its request; itself for that one
    bool has_slot = false;
  };

  void step();
  void moment();
  void arrive();
  void end_somebody();
  void end_harmlessly();
  bool plan();
  void plan_ahead();
  void commit();
  void check_service(const StepPlan& plan, int64_t num_preempted);
  void check_turns(const ServiceOrder& last_admitted) const;
  void take_victims(const StepPlan& plan, int64_t num_preempted);
  void check_progress();
  void remove(AnswerCheck&& answer);

  SimSetup setup_;
  SimRng rng_;
  Traffic traffic_;
  SimEngine engine_;
  std::map<SeqId, Service> living_;
  std::deque<AnswerCheck> ended_;  // the last few
  int32_t requests_left_;
  int64_t burst_left_ = 0;
  int64_t num_plans_ = 0;              // empty ones too: what the scheduler ages by
  int64_t steps_since_arrival_ = 0;    // once no more come
  int64_t most_steps_to_the_end_ = 0;  // when the last one came
  SimReport report_;
};

SimReport simulate(uint64_t seed, std::ostream* trace = nullptr);

}  // namespace talon::test
