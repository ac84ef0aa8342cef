#include "sim/fake_runner.h"

#include <algorithm>
#include <utility>

#include "base/checked_int.h"
#include "sim/plan_rules.h"

namespace talon::test {
namespace {

// The drafter's entry at a position, from the history with the token after it.
uint64_t drafter_content(uint64_t hash) { return mix64(hash ^ 0xD7AF7E4) | 1; }

}  // namespace

FakeRunner::FakeRunner(const StepBounds& bounds, RowSource& source, const PagePool* pool)
    : bounds_(bounds),
      source_(source),
      pool_(pool),
      contents_(bounds.num_pages),
      slots_(static_cast<size_t>(bounds.max_sequences)) {}

void FakeRunner::declare(SeqId sequence, uint64_t root, std::span<const TokenId> prompt) {
  Known known{.history = History(root), .slot = std::nullopt};
  for (const TokenId token : prompt) {
    known.history.append(token);
  }
  demand(sequences_.emplace(sequence, std::move(known)).second, "sequence {} is declared twice",
         sequence.value);
}

void FakeRunner::forget(SeqId sequence) {
  const auto it = sequences_.find(sequence);
  if (it == sequences_.end()) {
    return;
  }
  if (it->second.slot.has_value()) {
    Slot& slot = slot_at(*it->second.slot);
    if (slot.sequence == sequence) {
      slot = {};
    }
  }
  sequences_.erase(it);
}

FakeRunner::Slot& FakeRunner::slot_at(SlotIndex slot) {
  demand(slot.value >= 0 && slot.value < bounds_.max_sequences, "slot {}", slot.value);
  return slots_[static_cast<size_t>(slot.value)];
}

void FakeRunner::launch(const StepPlan& plan) {
  demand(round_ == 0 || plan.round == round_ + 1, "plan {} follows plan {}", plan.round, round_);
  check_rules(plan, bounds_);
  check_ahead(plan);
  apply_patches(plan);
  for (const PlanRow& row : plan.rows) {
    bind(row);
  }
  count_users(plan);
  apply_copies(plan);
  // All rows of a real step read before any later step writes, so the content is compared first.
  for (const PlanRow& row : plan.rows) {
    take_row(plan, row);
  }
  StepResult result{.round = plan.round, .rows = {}, .times = {}};
  last_rows_.clear();
  for (const PlanRow& row : plan.rows) {
    result.rows.push_back(run_row(plan, row));
    last_rows_.push_back(row.sequence);
  }
  unread_.push_back(std::move(result));
  round_ = plan.round;
}

StepResult FakeRunner::wait() {
  demand(!unread_.empty(), "nothing was launched");
  StepResult result = std::move(unread_.front());
  unread_.pop_front();
  return result;
}

void FakeRunner::open_page(PageId page) {
  demand(contents_.contains(page), "a peer writes page {}", page.value);
  ++contents_.at(page).num_writers;
}

void FakeRunner::close_page(PageId page) { --contents_.at(page).num_writers; }

void FakeRunner::write_page(PageId page, const PageCells& cells) {
  PageContent& content = contents_.at(page);
  demand(content.num_writers > 0, "a peer writes page {}, which is closed", page.value);
  content.cells = cells;
  ++content.version;
}

void FakeRunner::check_ahead(const StepPlan& plan) const {
  if (!plan.ahead) {
    demand(unread_.empty(), "plan {} was made while a result is unread", plan.round);
    return;
  }
  demand(unread_.size() <= 1, "three rounds in flight");
  demand(plan.slot_patches.empty() && plan.page_copies.empty(), "sequences join a plan made ahead");
  demand(plan.rows.size() == last_rows_.size(), "a plan made ahead changes its members");
  for (const PlanRow& row : plan.rows) {
    demand(std::find(last_rows_.begin(), last_rows_.end(), row.sequence) != last_rows_.end(),
           "sequence {} joins a plan made ahead", row.sequence.value);
    demand(!row.is_prefill() && row.masks.empty(), "sequence {} cannot be planned ahead",
           row.sequence.value);
  }
}

void FakeRunner::apply_patches(const StepPlan& plan) {
  for (const SlotPatch& patch : plan.slot_patches) {
    Slot& slot = slot_at(patch.slot);
    slot.is_patched = true;
    slot.sequence.reset();
    slot.patch = patch;
    slot.kv_len = patch.kv_len;
    slot.pages.clear();
    slot.seen.clear();
    slot.drafts.clear();
  }
  for (const PagePatch& patch : plan.page_patches) {
    Slot& slot = slot_at(patch.slot);
    demand(slot.is_patched, "pages for the empty slot {}", patch.slot.value);
    demand(patch.first_index == std::ssize(slot.pages), "pages from {} for a table of {}",
           patch.first_index, slot.pages.size());
    for (const PageId page : patch.pages) {
      demand(contents_.contains(page), "page {} in a table", page.value);
      slot.pages.push_back(page);
      slot.seen.push_back(0);
    }
    demand(std::ssize(slot.pages) <= ceil_div(bounds_.context_limit, kPageTokens),
           "a table of {} pages", slot.pages.size());
  }
}

void FakeRunner::apply_copies(const StepPlan& plan) {
  for (const PageCopy& copy : plan.page_copies) {
    demand(contents_.contains(copy.from) && contents_.contains(copy.to) && copy.from != copy.to,
           "a copy from page {} to {}", copy.from.value, copy.to.value);
    PageContent& to = contents_.at(copy.to);
    const int32_t num_users = to.users_round == plan.round ? to.num_users : 0;
    demand(num_users == 1, "a copy to page {}, which {} tables hold", copy.to.value, num_users);
    check_owner(copy.to, SeqId{});
    to.cells = contents_.at(copy.from).cells;
    ++to.version;
  }
}

void FakeRunner::count_users(const StepPlan& plan) {
  for (const PlanRow& row : plan.rows) {
    for (const PageId page : slot_at(row.slot).pages) {
      PageContent& content = contents_.at(page);
      demand(content.num_writers == 0, "sequence {}: page {} may still be written by a peer",
             row.sequence.value, page.value);
      content.num_users = content.users_round == plan.round ? content.num_users + 1 : 1;
      content.users_round = plan.round;
    }
  }
}

// A slot is a sequence's from its first row in it.
void FakeRunner::bind(const PlanRow& row) {
  Slot& slot = slot_at(row.slot);
  demand(slot.is_patched, "sequence {} in the empty slot {}", row.sequence.value, row.slot.value);
  if (slot.sequence.has_value()) {
    demand(*slot.sequence == row.sequence, "sequence {} in the slot of {}", row.sequence.value,
           slot.sequence->value);
    return;
  }
  Known& known = sequences_.try_emplace(row.sequence).first->second;
  if (known.slot.has_value() && *known.slot != row.slot) {
    Slot& old = slot_at(*known.slot);
    if (old.sequence == row.sequence) {
      old = {};  // it was preempted there
    }
  }
  known.slot = row.slot;
  slot.sequence = row.sequence;
}

// Holds a row against the state and the pages before anything of the step is written.
void FakeRunner::take_row(const StepPlan& plan, const PlanRow& row) {
  Slot& slot = slot_at(row.slot);
  History& history = sequences_.at(row.sequence).history;
  check_positions(plan, row, slot);
  if (history.size() < slot.kv_len) {
    adopt_prefix(slot, history);
  }
  if (row.is_prefill()) {
    learn_chunk(row, history);
  }
  check_state(row, slot, history);
  check_content(row, slot, history);
}

// Nothing is known of the sequence: the tokens of its shared prefix are those of its pages.
void FakeRunner::adopt_prefix(const Slot& slot, History& history) {
  for (int64_t p = history.size(); p < slot.kv_len; ++p) {
    const auto index = static_cast<size_t>(p / kPageTokens);
    demand(index < slot.pages.size(), "position {} of a prefix has no page", p);
    const PageCell& cell =
        contents_.at(slot.pages[index]).cells[static_cast<size_t>(p % kPageTokens)];
    history.append(cell.token);
  }
}

void FakeRunner::check_positions(const StepPlan& plan, const PlanRow& row, const Slot& slot) const {
  const int64_t id = row.sequence.value;
  if (plan.ahead) {
    demand(slot.kv_len >= row.first_position &&
               slot.kv_len <= row.first_position + bounds_.max_drafts + 1,
           "sequence {}: planned ahead on {} positions, there are {}", id, row.first_position,
           slot.kv_len);
    return;
  }
  demand(slot.kv_len == row.first_position, "sequence {}: planned on {} positions, there are {}",
         id, row.first_position, slot.kv_len);
  demand(row.num_drafts <= std::ssize(slot.drafts), "sequence {}: {} drafts of {}", id,
         row.num_drafts, slot.drafts.size());
}

// Holds the tokens of a chunk against those that are known; in a trace, learns them.
void FakeRunner::learn_chunk(const PlanRow& row, History& history) const {
  const auto take = [&](int64_t index, TokenId token) {
    if (index == history.size()) {
      history.append(token);
    }
    demand(index < history.size() && history.at(index) == token,
           "sequence {}: token {} of the chunk is another", row.sequence.value, index);
  };
  int64_t index = row.first_position;
  for (const TokenId token : row.tokens) {
    take(index++, token);
  }
  if (!row.sample) {
    take(index, row.next_token);
  } else {
    demand(index == history.size(), "sequence {} samples after {} of {} tokens", row.sequence.value,
           index, history.size());
  }
}

void FakeRunner::check_state(const PlanRow& row, const Slot& slot, const History& history) const {
  if (!row.is_prefill()) {
    demand(slot.kv_len == history.size() - 1, "sequence {}: kv_len {} with {} tokens",
           row.sequence.value, slot.kv_len, history.size());
    return;
  }
  const SlotPatch& patch = slot.patch;
  if (patch.sampling.has_penalties() && slot.kv_len == patch.kv_len) {
    const auto known = std::min(patch.tokens.size(), history.tokens().size());
    demand(patch.prompt_len >= 1 && patch.prompt_len <= std::ssize(patch.tokens),
           "sequence {}: penalties over {} of {} tokens", row.sequence.value, patch.prompt_len,
           patch.tokens.size());
    demand(patch.tokens.size() >= history.tokens().size() &&
               std::equal(patch.tokens.begin(), patch.tokens.begin() + static_cast<int64_t>(known),
                          history.tokens().begin()),
           "sequence {}: penalties count other tokens", row.sequence.value);
  }
}

void FakeRunner::check_content(const PlanRow& row, Slot& slot, const History& history) {
  // A round that runs after the end of its sequence may stand past the limit: on the null page.
  const int64_t kv_len = std::min(slot.kv_len, bounds_.context_limit);
  for (int64_t first = 0; first < kv_len; first += kPageTokens) {
    const auto index = static_cast<size_t>(first / kPageTokens);
    demand(index < slot.pages.size(), "sequence {}: {} positions in {} pages", row.sequence.value,
           kv_len, slot.pages.size());
    const PageContent& content = contents_.at(slot.pages[index]);
    if (slot.seen[index] == content.version) {
      continue;
    }
    const int64_t end = std::min(first + kPageTokens, kv_len);
    for (int64_t p = first; p < end; ++p) {
      const PageCell& cell = content.cells[static_cast<size_t>(p - first)];
      demand(cell.target == history.hash(p + 1),
             "sequence {}: the target's entry at {} (page {}) is of {}", row.sequence.value, p,
             slot.pages[index].value, cell.target == kPoison ? "no token" : "another history");
      demand(!bounds_.has_drafter || cell.drafter == drafter_content(history.hash(p + 2)),
             "sequence {}: the drafter's entry at {} (page {}) is of {}", row.sequence.value, p,
             slot.pages[index].value, cell.drafter == kPoison ? "no token" : "another history");
    }
    slot.seen[index] = content.version;
  }
}

RowResult FakeRunner::run_row(const StepPlan& plan, const PlanRow& row) {
  Slot& slot = slot_at(row.slot);
  History& history = sequences_.at(row.sequence).history;
  const int64_t num_held = std::ssize(slot.drafts);
  const std::vector<TokenId> drafts(
      slot.drafts.begin(), slot.drafts.begin() + std::min<int64_t>(row.num_drafts, num_held));
  RowOutcome outcome =
      source_.run({.row = row, .patch = slot.patch, .history = history, .drafts = drafts});
  check_outcome(row, drafts, outcome);

  RowResult result{.sequence = row.sequence,
                   .tokens = outcome.tokens,
                   .drafted = static_cast<int32_t>(drafts.size()),
                   .accepted = std::max(0, static_cast<int32_t>(outcome.tokens.size()) - 1),
                   .kv_len = 0,
                   .drafts = outcome.drafts,
                   .logprobs = {},
                   .prompt_logprobs = {}};
  const int64_t first = slot.kv_len;
  if (row.num_prompt_logprobs >= 0) {
    const int64_t last = std::min(first + row.num_rows(), history.size() - 1);
    for (int64_t p = first; p < last; ++p) {
      result.prompt_logprobs.push_back({.chosen = {.token = history.at(p + 1)}, .top = {}});
    }
  }
  for (const TokenId token : outcome.tokens) {
    history.append(token);
    if (row.num_logprobs >= 0) {
      result.logprobs.push_back({.chosen = {.token = token}, .top = {}});
    }
  }
  const int64_t num_valid = row.is_prefill() ? row.num_rows() : 1 + result.accepted;
  write_rows(row, slot, history, num_valid);
  slot.kv_len = first + num_valid;
  slot.drafts = std::move(outcome.drafts);
  // The chain runs for all sampling rows at once, as long as the one that drafts most.
  int32_t num_steps = 0;
  for (const PlanRow& other : plan.rows) {
    num_steps = std::max(num_steps, other.drafts_to_make - 1);
  }
  poison_chain(row, slot, row.drafts_to_make > 0 ? num_steps : 0);
  result.kv_len = slot.kv_len;
  return result;
}

void FakeRunner::check_outcome(const PlanRow& row,
                               std::span<const TokenId> drafts,
                               const RowOutcome& outcome) const {
  const int64_t id = row.sequence.value;
  if (!row.sample) {
    demand(outcome.tokens.empty() && outcome.drafts.empty(), "sequence {} samples in a chunk", id);
    return;
  }
  demand(!outcome.tokens.empty() && outcome.tokens.size() <= drafts.size() + 1,
         "sequence {}: {} tokens from {} drafts", id, outcome.tokens.size(), drafts.size());
  demand(std::equal(outcome.tokens.begin(), outcome.tokens.end() - 1, drafts.begin()),
         "sequence {}: what was accepted was not drafted", id);
  demand(std::ssize(outcome.drafts) == row.drafts_to_make, "sequence {}: {} drafts, not {}", id,
         outcome.drafts.size(), row.drafts_to_make);
}

// The rows of the step at kv_len and on: the first `num_valid` are of the history, the others are
// rejected.
void FakeRunner::write_rows(const PlanRow& row,
                            Slot& slot,
                            const History& history,
                            int64_t num_valid) {
  const int64_t rejected_from = slot.kv_len + num_valid;
  const int64_t num_drafts = std::min<int64_t>(row.num_drafts, std::ssize(slot.drafts));
  const int64_t end = slot.kv_len + (row.is_prefill() ? row.num_rows() : 1 + num_drafts);
  for (int64_t p = slot.kv_len; p < end;) {
    const int64_t page_end = std::min(end, (p / kPageTokens + 1) * kPageTokens);
    PageContent* page = writable(slot, p, "a row");
    for (; p < page_end; ++p) {
      if (page == nullptr) {
        continue;
      }
      PageCell& cell = page->cells[static_cast<size_t>(p % kPageTokens)];
      cell = {};
      if (p < rejected_from) {
        cell.token = history.at(p);
        cell.target = history.hash(p + 1);
        cell.drafter = bounds_.has_drafter ? drafter_content(history.hash(p + 2)) : kPoison;
      }
    }
  }
}

// Steps of the drafter past kv_len. The row's own must have pages; those that it only takes part in
// for the sake of others may fall on the null page.
void FakeRunner::poison_chain(const PlanRow& row, Slot& slot, int32_t num_steps) {
  for (int32_t i = 0; i < num_steps; ++i) {
    const int64_t position = slot.kv_len + i;
    const bool has_page = position / kPageTokens < std::ssize(slot.pages);
    if (i >= row.drafts_to_make - 1 && !has_page) {
      return;
    }
    PageContent* page = writable(slot, position, "a draft");
    if (page != nullptr) {
      page->cells[static_cast<size_t>(position % kPageTokens)].drafter = kPoison;
    }
  }
}

// The page of a position that is about to be written, with a new version; null for the null page.
PageContent* FakeRunner::writable(Slot& slot, int64_t position, const char* what) {
  if (position >= bounds_.context_limit) {
    return nullptr;
  }
  const auto index = static_cast<size_t>(position / kPageTokens);
  demand(index < slot.pages.size(), "sequence {}: {} at {} with {} pages", slot.sequence->value,
         what, position, slot.pages.size());
  const PageId page = slot.pages[index];
  PageContent& content = contents_.at(page);
  demand(content.num_users == 1, "sequence {}: {} at {} in page {}, which {} tables hold",
         slot.sequence->value, what, position, page.value, content.num_users);
  check_owner(page, *slot.sequence);
  slot.seen[index] = ++content.version;
  return &content;
}

void FakeRunner::check_owner(PageId page, SeqId sequence) const {
  if (pool_ == nullptr) {
    return;
  }
  demand(pool_->num_references(page) == 1, "sequence {} writes page {} of {} references",
         sequence.value, page.value, pool_->num_references(page));
  demand(!pool_->is_cacheable(page), "sequence {} writes the published page {}", sequence.value,
         page.value);
}

}  // namespace talon::test
