// Executes plans as a runner must, on hashes in place of keys and values, and checks each of them:
//
//   order      slot patches, page patches, page copies, then the rows
//   budget     rows, rows with logits, one row a sequence and slot
//   state      kv_len, pending token and drafts live here, as on a device; a plan made ahead reads
//              them from here, any other plan must agree with them
//   content    before a row runs, every position below kv_len of its table holds exactly what the
//              sequence's own tokens demand: the target's plane at p a hash of tokens [0, p], the
//              drafter's a hash of tokens [0, p + 1]. Rejected and chained positions hold poison
//   ownership  a written page stands in the table of one row only; with a pool at hand, it has one
//              reference and is not published. No page of a row may be one that a peer still writes
//
// A fault throws Violation, after which the runner is of no further use. With `declare` the tokens
// of a sequence are known and compared; without, as in a trace, those of a shared prefix are taken
// from its pages, which must then chain to one history.
//
// Content is compared when it may have changed: each page carries a version, each slot remembers
// those it has seen.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/ids.h"
#include "engine/step_plan.h"
#include "kv/page_pool.h"
#include "sim/fake_model.h"
#include "sim/page_contents.h"
#include "sim/violation.h"

namespace talon::test {

class FakeRunner {
 public:
  // `source` and `pool` must outlive the runner; `pool` may be null.
  FakeRunner(const StepBounds& bounds, RowSource& source, const PagePool* pool = nullptr);

  // States the prompt of a sequence before its first row.
  void declare(SeqId sequence, uint64_t root, std::span<const TokenId> prompt);
  // The sequence has ended: it may not appear in a later plan.
  void forget(SeqId sequence);
  size_t num_known() const { return sequences_.size(); }

  // At most two launches may be unread, the second one ahead of the first.
  void launch(const StepPlan& plan);
  StepResult wait();

  // What a peer does to a page, whatever it is by now: it may write it from `open_page` on until
  // `close_page`.
  void open_page(PageId page);
  void close_page(PageId page);
  void write_page(PageId page, const PageCells& cells);
  const PageCells& cells(PageId page) { return contents_.at(page).cells; }

 private:
  struct Slot {
    bool is_patched = false;
    std::optional<SeqId> sequence;  // from its first row on
    SlotPatch patch;
    int64_t kv_len = 0;
    std::vector<PageId> pages;
    std::vector<uint32_t> seen;  // version of each page when its content was last compared
    std::vector<TokenId> drafts;
  };
  struct Known {
    History history;
    std::optional<SlotIndex> slot;
  };

  void check_ahead(const StepPlan& plan) const;
  void apply_patches(const StepPlan& plan);
  void apply_copies(const StepPlan& plan);
  void count_users(const StepPlan& plan);
  void bind(const PlanRow& row);
  void take_row(const StepPlan& plan, const PlanRow& row);
  void adopt_prefix(const Slot& slot, History& history);
  void check_positions(const StepPlan& plan, const PlanRow& row, const Slot& slot) const;
  void learn_chunk(const PlanRow& row, History& history) const;
  void check_state(const PlanRow& row, const Slot& slot, const History& history) const;
  void check_content(const PlanRow& row, Slot& slot, const History& history);
  RowResult run_row(const StepPlan& plan, const PlanRow& row);
  void check_outcome(const PlanRow& row,
                     std::span<const TokenId> drafts,
                     const RowOutcome& outcome) const;
  void write_rows(const PlanRow& row, Slot& slot, const History& history, int64_t num_valid);
  void poison_chain(const PlanRow& row, Slot& slot, int32_t num_steps);
  PageContent* writable(Slot& slot, int64_t position, const char* what);
  void check_owner(PageId page, SeqId sequence) const;
  Slot& slot_at(SlotIndex slot);

  StepBounds bounds_;
  RowSource& source_;
  const PagePool* pool_;
  PageContents contents_;
  std::vector<Slot> slots_;
  std::unordered_map<SeqId, Known> sequences_;
  std::vector<SeqId> last_rows_;  // of the plan before
  int64_t round_ = 0;
  std::deque<StepResult> unread_;
};

}  // namespace talon::test
