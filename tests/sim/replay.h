// Replays a trace (engine/step_trace.h) through the fake runner: the plans are checked as in a
// simulation, with the tokens and drafts that the recorded run gave. What a trace does not tell is
// adopted: the tokens of a shared prefix are those that its pages hold. The pool is not known, so
// ownership is judged within each step, and beyond it by what the pages hold later. A run that took
// KV from another engine cannot be replayed: its trace does not tell what came.
#pragma once

#include <cstdint>
#include <istream>
#include <string>

namespace talon::test {

struct ReplayReport {
  int64_t steps = 0;
  int64_t sequences = 0;
  int64_t tokens = 0;
  int64_t line = 0;   // read last, from 1
  std::string fault;  // of the line's form, or of what the plan or the result does; empty: none
};

ReplayReport replay(std::istream& in);

}  // namespace talon::test
