// What a round costs on this device and model: milliseconds of a whole step (target, verify,
// extension, drafts, host) for a number of sequences, a number of drafts and a context. Measured by
// `talon bench step --cost-table`, read back from its JSON file. A value.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/result.h"

namespace talon {

struct CostTable {
  // Strictly ascending from 1, each with at least one entry if the table is not empty.
  std::vector<int32_t> num_sequences;
  std::vector<int32_t> contexts;  // tokens
  int32_t max_drafts = 0;         // K
  // [sequences][contexts][K + 1] ms, > 0.
  std::vector<double> step_ms;

  bool empty() const { return step_ms.empty(); }

  // Linear between the measured points and constant beyond them, but in proportion to the sequences
  // past the largest number. `num_drafts` in 0..max_drafts; the table is not empty.
  double at(double sequences, double context, int32_t num_drafts) const;
};

// Bounds of what a file may hold.
inline constexpr int32_t kMaxCostTablePoints = 64;        // of either axis
inline constexpr int32_t kMaxCostTableSequences = 1024;   // as many as an engine may run
inline constexpr int32_t kMaxCostTableContext = 1 << 24;  // tokens
inline constexpr double kMaxCostTableStepMs = 1e6;        // a step of a quarter of an hour
static_assert(kMaxCostTablePoints * kMaxCostTablePoints * (kMaxDrafts + 1) <= 1 << 15);

// Untrusted: one object with num_sequences, contexts, max_drafts and step_ms, an array for each
// number of sequences that holds an array for each context with K + 1 numbers. Other members are
// notes and ignored. The message names the field at fault.
Result<CostTable> parse_cost_table(std::string_view json);
std::string to_json(const CostTable& table);

}  // namespace talon
