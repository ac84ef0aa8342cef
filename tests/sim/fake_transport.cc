#include "sim/fake_transport.h"

#include <algorithm>
#include <utility>

#include "base/checked_int.h"

namespace talon::test {
namespace {

bool contains(const std::vector<SeqId>& ids, SeqId id) {
  return std::find(ids.begin(), ids.end(), id) != ids.end();
}

}  // namespace

FakeTransport::FakeTransport(SimEngine& prefill,
                             SimEngine& decode,
                             const HandoffSetup& setup,
                             BrokenRule broken,
                             std::function<void(AnswerCheck&&)> on_end)
    : prefill_(prefill),
      decode_(decode),
      setup_(setup.transport),
      rng_(setup.seed ^ 0x77A45),
      broken_(broken),
      on_end_(std::move(on_end)) {
  decode_.scheduler().on_admission([this](SeqId id) { admitted_.insert(id); });
}

void FakeTransport::start(std::optional<SeqId> source, std::vector<SeqId> sinks) {
  Transfer transfer;
  transfer.source = source;
  transfer.sinks = std::move(sinks);
  transfers_.push_back(std::move(transfer));
}

void FakeTransport::tick() {
  for (size_t i = 0; i < transfers_.size();) {
    if (rng_.chance(setup_.activity) && advance(transfers_[i])) {
      admitted_.erase(transfers_[i].sink());
      transfers_.erase(transfers_.begin() + static_cast<int64_t>(i));
    } else {
      ++i;
    }
  }
  check_pages();
}

// Whether the transfer is over.
bool FakeTransport::advance(Transfer& transfer) {
  if (rng_.chance(setup_.expiry)) {
    drop_source(transfer);
  }
  if (transfer.state != Transfer::State::kStopping &&
      contains(decode_.scheduler().quarantined(), transfer.sink())) {
    ++stats_.stopped;
    stop(transfer);
  }
  switch (transfer.state) {
    case Transfer::State::kQueued:
      return advance_queued(transfer);
    case Transfer::State::kAsked:
      return advance_asked(transfer);
    case Transfer::State::kStopping:
      break;
  }
  return advance_stopping(transfer);
}

bool FakeTransport::advance_queued(Transfer& transfer) {
  if (contains(decode_.scheduler().awaiting_kv(), transfer.sink())) {
    ask(transfer);
    return false;
  }
  // It ended while it waited, or found everything in the cache.
  if (!decode_.lives(transfer.sink()) || admitted_.contains(transfer.sink())) {
    drop_source(transfer);
    return true;
  }
  return false;
}

void FakeTransport::ask(Transfer& transfer) {
  transfer.wanted = decode_.scheduler().wanted_kv(transfer.sink());
  demand(!transfer.wanted.empty(), "sequence {} awaits no page", transfer.sink().value);
  transfer.is_there.assign(transfer.wanted.size(), false);
  for (const WantedPage& wanted : transfer.wanted) {
    demand(decode_.scheduler().pool().is_current(wanted.ref), "page {} is wanted and not in use",
           wanted.ref.page.value);
    decode_.runner().open_page(wanted.ref.page);
  }
  transfer.state = Transfer::State::kAsked;
  ++stats_.asked;
  stats_.skipped_pages += transfer.wanted.front().ordinal;
}

bool FakeTransport::advance_asked(Transfer& transfer) {
  if (rng_.chance(setup_.failure) || lacks_source(transfer)) {
    fail(transfer);
    return false;
  }
  begin_copy(transfer);
  if (rng_.chance(setup_.landing) && !end_copy(transfer)) {
    fail(transfer);
    return false;
  }
  const auto num_there = std::count(transfer.is_there.begin(), transfer.is_there.end(), true);
  const int64_t missing = std::ssize(transfer.is_there) - num_there;
  const bool is_early = broken_ == BrokenRule::kArrivesEarly && missing == 1;
  if ((missing > 0 || !transfer.copies.empty()) && !is_early) {
    return false;
  }
  arrive(transfer);
  return true;
}

// Pages that are neither there nor on their way, and nobody who could send them.
bool FakeTransport::lacks_source(const Transfer& transfer) const {
  const bool has_source =
      transfer.source.has_value() && prefill_.scheduler().offered_kv(*transfer.source).has_value();
  std::vector<bool> is_covered = transfer.is_there;
  for (const Copy& copy : transfer.copies) {
    is_covered[copy.index] = true;
  }
  return !has_source && std::count(is_covered.begin(), is_covered.end(), false) > 0;
}

// Any page that is offered: mostly one that is not there, else one more time.
void FakeTransport::begin_copy(Transfer& transfer) {
  if (!transfer.source.has_value()) {
    return;
  }
  const std::optional<OfferedKv> offered = prefill_.scheduler().offered_kv(*transfer.source);
  if (!offered.has_value()) {
    return;
  }
  demand(std::ssize(offered->pages) == ceil_div(offered->num_positions, kPageTokens),
         "{} pages offered for {} positions", offered->pages.size(), offered->num_positions);
  const auto index = static_cast<size_t>(rng_.below(std::ssize(transfer.wanted)));
  const auto ordinal = static_cast<size_t>(transfer.wanted[index].ordinal);
  const bool is_on_its_way = std::any_of(transfer.copies.begin(), transfer.copies.end(),
                                         [&](const Copy& copy) { return copy.index == index; });
  const bool is_again = transfer.is_there[index] || is_on_its_way;
  if (ordinal >= offered->pages.size() || (is_again && !rng_.chance(setup_.duplicate / 4))) {
    return;
  }
  const PageRef from = offered->pages[ordinal];
  demand(prefill_.scheduler().pool().is_current(from), "page {} is offered and not in use",
         from.page.value);
  transfer.copies.push_back({.index = index, .from = from});
  if (rng_.chance(setup_.duplicate)) {
    transfer.copies.push_back(transfer.copies.back());
  }
}

// The bytes of one page land, whatever they are by now. False if they are those of another page.
bool FakeTransport::end_copy(Transfer& transfer) {
  if (transfer.copies.empty()) {
    return true;
  }
  const auto at = transfer.copies.begin() + rng_.below(std::ssize(transfer.copies));
  const Copy copy = *at;
  transfer.copies.erase(at);
  const PageId to = transfer.wanted[copy.index].ref.page;
  decode_.runner().write_page(to, prefill_.runner().cells(copy.from.page));
  ++stats_.copies;
  stats_.late_copies += transfer.state == Transfer::State::kStopping ? 1 : 0;
  if (!prefill_.scheduler().pool().is_current(copy.from)) {
    ++stats_.stale_copies;
    if (broken_ != BrokenRule::kIgnoresGenerations) {
      return false;
    }
  }
  transfer.is_there[copy.index] = true;
  return true;
}

void FakeTransport::arrive(Transfer& transfer) {
  Scheduler& scheduler = decode_.scheduler();
  close_pages(transfer);
  demand(scheduler.kv_arrived(transfer.sink()), "sequence {} awaits no KV", transfer.sink().value);
  demand(!scheduler.kv_arrived(transfer.sink()), "KV arrives twice");
  demand(!scheduler.kv_failed(transfer.sink(), OnKvFailure::kEnd), "what has arrived fails");
  demand(!scheduler.kv_quiesced(transfer.sink()), "what has arrived was in quarantine");
  scheduler.check_integrity();
  drop_source(transfer);
  ++stats_.arrived;
}

void FakeTransport::fail(Transfer& transfer) {
  const OnKvFailure policy =
      rng_.chance(setup_.recompute) ? OnKvFailure::kRecompute : OnKvFailure::kEnd;
  for (AnswerCheck& answer : decode_.fail_kv(transfer.sinks, policy)) {
    on_end_(std::move(answer));
  }
  ++stats_.failed;
  stop(transfer);
}

void FakeTransport::stop(Transfer& transfer) {
  transfer.is_quiet = transfer.state == Transfer::State::kQueued;
  transfer.state = Transfer::State::kStopping;
  demand(!decode_.scheduler().kv_arrived(transfer.sink()), "what has failed arrives");
  if (broken_ == BrokenRule::kQuiescesEarly) {
    decode_.scheduler().kv_quiesced(transfer.sink());
  }
}

bool FakeTransport::advance_stopping(Transfer& transfer) {
  if (!transfer.is_quiet) {
    begin_copy(transfer);
    transfer.is_quiet = rng_.chance(0.3);
  }
  if (rng_.chance(setup_.landing)) {
    (void)end_copy(transfer);
  }
  if (!transfer.is_quiet || !transfer.copies.empty()) {
    return false;
  }
  close_pages(transfer);
  const bool was_there = decode_.scheduler().kv_quiesced(transfer.sink());
  demand(was_there || broken_ == BrokenRule::kQuiescesEarly, "no page of sequence {} to return",
         transfer.sink().value);
  demand(!decode_.scheduler().kv_quiesced(transfer.sink()), "pages return twice");
  decode_.scheduler().check_integrity();
  drop_source(transfer);
  return true;
}

void FakeTransport::close_pages(Transfer& transfer) {
  for (const WantedPage& wanted : transfer.wanted) {
    decode_.runner().close_page(wanted.ref.page);
  }
  transfer.wanted.clear();
}

void FakeTransport::drop_source(Transfer& transfer) {
  if (transfer.source.has_value()) {
    drop(*std::exchange(transfer.source, std::nullopt));
  }
}

void FakeTransport::drop(SeqId source) {
  if (prefill_.lives(source)) {
    on_end_(prefill_.end(source, FinishReason::kCancelled));
    return;
  }
  if (rng_.chance(0.5)) {
    prefill_.scheduler().release(source);
  } else {
    prefill_.scheduler().cancel(source);
  }
  prefill_.scheduler().release(source);
  demand(!prefill_.scheduler().offered_kv(source).has_value(), "what was released is offered");
  prefill_.scheduler().check_integrity();
}

// Between being wanted and being closed a page is of that one sequence, or nobody's.
void FakeTransport::check_pages() const {
  const PagePool& pool = decode_.scheduler().pool();
  for (const Transfer& transfer : transfers_) {
    for (const WantedPage& wanted : transfer.wanted) {
      const PageId page = wanted.ref.page;
      demand(pool.ref(page) == wanted.ref, "page {} was given away, and a peer may write it",
             page.value);
      demand(!pool.is_cacheable(page), "page {} is published, and a peer may write it", page.value);
    }
  }
}

}  // namespace talon::test
