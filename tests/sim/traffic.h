// Makes the requests of a simulation: shared prefixes, earlier conversations that go on, several
// choices, stops, limits, salts, priorities, grammars; now and then one that must be refused.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "engine/request.h"
#include "engine/scheduler.h"
#include "sim/sim_rng.h"
#include "sim/sim_setup.h"

namespace talon::test {

struct Arrival {
  Request request;
  bool is_faulty = false;        // must be refused
  bool has_constraints = false;  // one FakeConstraint a choice
};

class Traffic {
 public:
  // `setup` must outlive the traffic.
  explicit Traffic(const SimSetup& setup);

  Arrival next();
  // A finished conversation, which a later prompt may continue.
  void remember(std::vector<TokenId>&& tokens);

 private:
  std::vector<TokenId> make_prompt();
  void add_limits(Request& request);
  void add_sampling(Request& request);
  void spoil(Request& request);

  const SimSetup& setup_;
  SimRng rng_;
  std::deque<std::vector<TokenId>> conversations_;
};

}  // namespace talon::test
