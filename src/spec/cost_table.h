// What a round costs on this device and model: milliseconds of a whole step (target, verify,
// extension, drafts, host) for a number of sequences, a number of drafts and a context. Measured by
// `talon bench step --cost-table`, read back from its JSON file. A value.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace talon {

struct CostTable {
  // Ascending, each at least one entry if the table is not empty.
  std::vector<int32_t> num_sequences;
  std::vector<int32_t> contexts;  // tokens
  int32_t max_drafts = 0;         // K
  // [sequences][contexts][K + 1] ms, > 0.
  std::vector<double> step_ms;

  bool empty() const { return step_ms.empty(); }

  // Linear between the measured points and constant beyond them, but in proportion to the sequences
  // past the largest number. `num_drafts` in 0..max_drafts.
  double at(double sequences, double context, int32_t num_drafts) const;
};

// Untrusted: the bounds of every field are checked.
Result<CostTable> parse_cost_table(std::string_view json);
std::string to_json(const CostTable& table);

}  // namespace talon
