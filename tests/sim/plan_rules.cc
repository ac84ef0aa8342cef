#include "sim/plan_rules.h"

#include <vector>

#include "base/checked_int.h"
#include "sim/violation.h"

namespace talon::test {
namespace {

int64_t num_logit_rows(const PlanRow& row) {
  if (row.num_prompt_logprobs >= 0 || !row.is_prefill()) {
    return row.num_rows();
  }
  return row.sample ? 1 : 0;
}

void check_row(const PlanRow& row, const StepBounds& bounds) {
  const int64_t id = row.sequence.value;
  demand(row.is_prefill() ? row.num_drafts == 0 : row.sample, "sequence {}: no such row", id);
  demand(row.num_drafts >= 0 && row.num_drafts <= bounds.max_drafts && row.drafts_to_make >= 0 &&
             row.drafts_to_make <= bounds.max_drafts,
         "sequence {}: {} drafts, {} to make", id, row.num_drafts, row.drafts_to_make);
  demand(row.sample || row.drafts_to_make == 0, "sequence {} drafts without a token", id);
  const int64_t words = ceil_div(bounds.vocab_size, 32) * (row.is_prefill() ? 1 : row.num_rows());
  demand(row.masks.empty() || std::ssize(row.masks) == words, "sequence {}: masks of {} words", id,
         row.masks.size());
}

}  // namespace

void check_rules(const StepPlan& plan, const StepBounds& bounds) {
  demand(!plan.empty(), "plan {} has no rows", plan.round);
  int64_t num_rows = 0;
  int64_t num_logits = 0;
  std::vector<bool> is_taken(static_cast<size_t>(bounds.max_sequences), false);
  for (const PlanRow& row : plan.rows) {
    const int64_t id = row.sequence.value;
    demand(row.slot.value >= 0 && row.slot.value < bounds.max_sequences, "sequence {}: slot {}", id,
           row.slot.value);
    std::vector<bool>::reference taken = is_taken[static_cast<size_t>(row.slot.value)];
    demand(!taken, "slot {} has two rows", row.slot.value);
    taken = true;
    check_row(row, bounds);
    num_rows += row.num_rows();
    num_logits += num_logit_rows(row);
  }
  demand(num_rows <= bounds.max_rows, "{} rows", num_rows);
  demand(num_logits <= bounds.max_logit_rows, "{} rows with logits", num_logits);
}

}  // namespace talon::test
