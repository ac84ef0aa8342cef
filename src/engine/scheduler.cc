#include "engine/scheduler.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace talon {
namespace {

bool contains(const std::vector<TokenId>& ids, TokenId id) {
  return std::find(ids.begin(), ids.end(), id) != ids.end();
}

}  // namespace

std::string_view finish_reason_name(FinishReason reason) {
  switch (reason) {
    case FinishReason::kStop:
      return "stop";
    case FinishReason::kLength:
      return "length";
    case FinishReason::kCancelled:
      return "cancelled";
    case FinishReason::kPrefilled:
      return "prefilled";
    case FinishReason::kHandoffFailed:
      return "handoff_failed";
  }
  return "?";
}

Scheduler::Scheduler(const SchedulerConfig& config, std::unique_ptr<SpecPolicy> policy)
    : config_(config), pool_(config.num_pages), index_(pool_, config.has_drafter) {
  const int64_t room = int64_t{config.num_pages - 1} * kPageTokens;
  const int64_t verify_rows = int64_t{config.max_sequences} * (config.max_drafts + 1);
  TALON_CHECK(config.context_limit <= room, "a context of {} tokens does not fit {} positions",
              config.context_limit, room);
  TALON_CHECK(config.max_drafts >= 0 && config.max_drafts <= kMaxDrafts, "{}", config.max_drafts);
  TALON_CHECK(config.has_drafter || config.max_drafts == 0, "drafts without a drafter");
  TALON_CHECK(config.max_sequences >= 1, "{} sequences", config.max_sequences);
  TALON_CHECK(config.max_rows > config.max_drafts, "{} rows a step", config.max_rows);
  TALON_CHECK(config.max_rows >= config.max_sequences, "{} rows for {} sequences", config.max_rows,
              config.max_sequences);
  TALON_CHECK(config.max_logit_rows >= verify_rows, "{} logit rows", config.max_logit_rows);
  set_policy(std::move(policy));
  for (int32_t slot = config.max_sequences - 1; slot >= 0; --slot) {
    free_slots_.emplace_back(slot);
  }
}

Scheduler::~Scheduler() = default;

void Scheduler::set_policy(std::unique_ptr<SpecPolicy> policy) {
  policy_ = policy == nullptr ? make_fixed_policy() : std::move(policy);
}

std::variant<std::vector<Submission>, Refusal> Scheduler::add(Request&& request) {
  const RequestLimits limits{.context_limit = config_.context_limit,
                             .vocab_size = config_.vocab_size,
                             .max_queue_len = config_.max_queue_len};
  if (std::optional<Refusal> fault = find_fault(request, limits)) {
    return std::move(*fault);
  }
  if (num_waiting() + request.num_choices > config_.max_queue_len) {
    return Refusal{
        Refusal::Code::kQueueFull, "queue",
        fmt::format("{} sequences wait of {} that may", num_waiting(), config_.max_queue_len)};
  }
  std::vector<Submission> submissions;
  submissions.reserve(static_cast<size_t>(request.num_choices));
  const SeqId first{next_id_};
  for (int32_t j = 0; j < request.num_choices; ++j) {
    submissions.push_back(add_choice(request, j, first));
  }
  return submissions;
}

Submission Scheduler::add_choice(const Request& request, int32_t choice, SeqId first) {
  auto owned = std::make_unique<Sequence>(SeqId{next_id_++}, pool_);
  Sequence& sequence = *owned;
  sequence.request = request;
  sequence.request.prompt.clear();
  sequence.request.constraints.clear();
  sequence.request.sampling.seed =  // the sum wraps, as the generator's key does
      static_cast<int64_t>(static_cast<uint64_t>(request.sampling.seed) +
                           static_cast<uint64_t>(choice));
  if (choice > 0) {
    sequence.leader = first;
    sequence.request.num_prompt_logprobs = -1;  // they are the same for every choice
  }
  if (!request.constraints.empty()) {
    sequence.constraint = request.constraints[static_cast<size_t>(choice)];
  }
  sequence.expects_kv = request.handoff == HandoffRole::kDecode && choice == 0;
  sequence.survival = pooled_survival_;
  sequence.tokens = request.prompt;
  sequence.prompt_len = std::ssize(request.prompt);
  sequence.prefill_len = sequence.prompt_len;
  sequence.max_len = std::min(sequence.prompt_len + request.max_tokens, config_.context_limit);
  sequence.order = {
      .rank = config_.use_priorities ? request.priority * kStepsPerPriority + step_ : 0,
      .arrival = sequence.id.value};
  // A step adds at least one token or ends the request, so this many events always fit.
  const int64_t max_events = sequence.max_len - sequence.prompt_len + 1;
  sequence.events = std::make_shared<EventQueue>(static_cast<size_t>(max_events));
  waiting_.emplace(sequence.order, &sequence);
  Submission submission{.id = sequence.id, .events = sequence.events};
  sequences_.emplace(sequence.id, std::move(owned));
  return submission;
}

Sequence* Scheduler::find(SeqId id) const {
  const auto it = sequences_.find(id);
  return it == sequences_.end() ? nullptr : it->second.get();
}

void Scheduler::cancel(SeqId id) { finish(id, FinishReason::kCancelled); }

void Scheduler::finish(SeqId id, FinishReason reason) {
  Sequence* sequence = find(id);
  if (sequence == nullptr || sequence->state == Sequence::State::kDraining) {
    return;
  }
  if (sequence->state == Sequence::State::kHeld) {
    release(id);  // its last event is out
    return;
  }
  end(*sequence, reason, {});
}

void Scheduler::commit(StepResult result) {
  TALON_CHECK(!in_flight_.empty() && in_flight_.front().round == result.round,
              "a result of round {} that nobody waits for", result.round);
  const Flight flight = std::move(in_flight_.front());
  in_flight_.pop_front();
  TALON_CHECK(result.rows.size() == flight.rows.size(), "{} results", result.rows.size());
  for (size_t i = 0; i < flight.rows.size(); ++i) {
    Sequence& sequence = *flight.rows[i].sequence;
    TALON_CHECK(result.rows[i].sequence == sequence.id, "row {} is of another sequence", i);
    --sequence.rounds_in_flight;
    if (sequence.state == Sequence::State::kRunning) {
      commit_row(sequence, flight.rows[i], result.rows[i]);
    } else if (sequence.rounds_in_flight == 0) {
      remove(sequence);  // ended while the step ran
    }
  }
}

void Scheduler::commit_row(Sequence& sequence, const FlightRow& planned, RowResult& row) {
  std::move(row.prompt_logprobs.begin(), row.prompt_logprobs.end(),
            std::back_inserter(sequence.prompt_logprobs));
  if (!planned.sample) {
    sequence.kv_len += planned.num_rows;
    TALON_CHECK(row.kv_len == sequence.kv_len, "kv_len {} != {}", row.kv_len, sequence.kv_len);
    publish_pages(sequence);
    if (sequence.is_for_handoff() && !sequence.is_prefilling()) {
      hold(sequence);
    }
    return;
  }
  TALON_CHECK(row.drafted <= planned.num_drafts, "{} of {} drafts", row.drafted,
              planned.num_drafts);
  TALON_CHECK(row.accepted >= 0 && row.accepted <= row.drafted, "{}", row.accepted);
  TALON_CHECK(std::ssize(row.tokens) == row.accepted + 1, "{} tokens", row.tokens.size());
  sequence.survival.observe(row.drafted, row.accepted);
  pooled_survival_.observe(row.drafted, row.accepted, Survival::kPooledRate);
  TokenEvent event;
  event.round = {
      .is_prefill = planned.is_prefill, .drafted = row.drafted, .accepted = row.accepted};
  event.tokens = std::move(row.tokens);
  event.logprobs = std::move(row.logprobs);
  size_t num_kept = 0;
  while (num_kept < event.tokens.size() && !event.finish.has_value()) {
    event.finish = append(sequence, event.tokens[num_kept]);
    ++num_kept;
  }
  event.tokens.resize(num_kept);
  if (!event.logprobs.empty()) {
    event.logprobs.resize(num_kept);
  }
  sequence.kv_len = sequence.num_tokens() - 1;
  publish_pages(sequence);
  if (event.finish.has_value()) {
    const FinishReason reason = *event.finish;
    end(sequence, reason, std::move(event));
    return;
  }
  sequence.drafts = row.drafts;
  TALON_CHECK(row.kv_len == sequence.kv_len, "kv_len {} != {}", row.kv_len, sequence.kv_len);
  deliver(sequence, std::move(event));
}

bool Scheduler::is_end(const Sequence& sequence, TokenId token) const {
  const Request& request = sequence.request;
  const bool is_eos = contains(config_.end_token_ids, token) && !request.ignore_eos;
  return is_eos || contains(request.stop_token_ids, token);
}

std::optional<FinishReason> Scheduler::append(Sequence& sequence, TokenId token) const {
  sequence.tokens.push_back(token);
  const Request& request = sequence.request;
  // Before min_tokens these ids are not drawn; forced acceptance may bring them all the same.
  const bool may_stop = sequence.num_output_tokens() > request.sampling.min_tokens;
  if (may_stop && is_end(sequence, token)) {
    return FinishReason::kStop;
  }
  if (sequence.num_tokens() >= sequence.max_len) {
    return FinishReason::kLength;
  }
  if (sequence.constraint != nullptr && !sequence.constraint->accept(token)) {
    return FinishReason::kStop;  // forced acceptance again; a drawn token is always legal
  }
  return std::nullopt;
}

// A page is published once kv_len covers it: then the token after it is known, and the drafter's
// entry at its end stands.
void Scheduler::publish_pages(Sequence& sequence) {
  if (!config_.prefix_caching) {
    return;
  }
  const std::span<const TokenId> tokens(sequence.tokens);
  while ((sequence.num_keyed_pages + 1) * kPageTokens <= sequence.kv_len) {
    const auto page = static_cast<size_t>(sequence.num_keyed_pages);
    sequence.chain_key =
        page_key(sequence.chain_key, tokens.subspan(page * kPageTokens, kPageTokens));
    (void)index_.publish(sequence.chain_key, sequence.pages.pages()[page],
                         tokens[(page + 1) * kPageTokens]);
    ++sequence.num_keyed_pages;
  }
}

void Scheduler::deliver(Sequence& sequence, TokenEvent&& event) {
  if (!sequence.has_event) {
    sequence.has_event = true;
    event.cached_tokens = sequence.cached_tokens;
    event.prompt_logprobs = std::move(sequence.prompt_logprobs);
  }
  const bool delivered = sequence.events->try_push(std::move(event));
  TALON_CHECK(delivered, "events of sequence {} do not fit", sequence.id.value);
}

void Scheduler::end(Sequence& sequence, FinishReason reason, TokenEvent&& last) {
  last.finish = reason;
  deliver(sequence, std::move(last));
  leave(sequence);
  if (sequence.rounds_in_flight > 0) {
    sequence.state = Sequence::State::kDraining;
  } else {
    remove(sequence);
  }
}

// Out of the order of its state; what a peer may write goes into quarantine.
void Scheduler::leave(Sequence& sequence) {
  switch (sequence.state) {
    case Sequence::State::kWaiting:
      waiting_.erase(sequence.order);
      break;
    case Sequence::State::kRunning:
      running_.erase(sequence.order);
      break;
    case Sequence::State::kHeld:
      held_.erase(sequence.order);
      break;
    case Sequence::State::kAwaitingKv:
      awaiting_.erase(sequence.order);
      quarantine(sequence);
      break;
    case Sequence::State::kReady:
      ready_.erase(sequence.order);
      break;
    case Sequence::State::kDraining:
      break;
  }
}

void Scheduler::remove(Sequence& sequence) {
  if (sequence.has_slot()) {
    free_slots_.push_back(sequence.slot);
  }
  sequences_.erase(sequence.id);  // its pages return with it
}

StepBounds Scheduler::bounds() const {
  return {.num_pages = config_.num_pages,
          .context_limit = config_.context_limit,
          .vocab_size = config_.vocab_size,
          .max_sequences = config_.max_sequences,
          .max_rows = config_.max_rows,
          .max_logit_rows = config_.max_logit_rows,
          .max_drafts = config_.max_drafts,
          .has_drafter = config_.has_drafter};
}

void Scheduler::check_sequence(const Sequence& sequence) const {
  TALON_CHECK(sequence.num_tokens() <= sequence.max_len, "{}", sequence.num_tokens());
  switch (sequence.state) {
    case Sequence::State::kWaiting:
      TALON_CHECK(sequence.kv_len == 0 && sequence.pages.pages().empty(),
                  "sequence {} waits with kv_len {}", sequence.id.value, sequence.kv_len);
      break;
    case Sequence::State::kRunning:
      TALON_CHECK(sequence.is_prefilling() || sequence.kv_len == sequence.num_tokens() - 1,
                  "kv_len {}", sequence.kv_len);
      TALON_CHECK(sequence.is_prefilling() || !sequence.is_for_handoff(), "sequence {} is not held",
                  sequence.id.value);
      break;
    case Sequence::State::kHeld:
      TALON_CHECK(sequence.kv_len == sequence.prompt_len - 1, "{} positions held", sequence.kv_len);
      TALON_CHECK(sequence.rounds_in_flight == 0, "sequence {} is in flight", sequence.id.value);
      break;
    case Sequence::State::kAwaitingKv:
      TALON_CHECK(sequence.expects_kv && sequence.kv_len == 0, "sequence {} awaits nothing",
                  sequence.id.value);
      for (const WantedPage& wanted : wanted_kv(sequence.id)) {
        check_foreign(wanted.ref.page);
      }
      break;
    case Sequence::State::kReady:
      TALON_CHECK(sequence.kv_len == sequence.num_tokens() - 1, "kv_len {}", sequence.kv_len);
      break;
    case Sequence::State::kDraining:
      TALON_CHECK(sequence.rounds_in_flight > 0, "sequence {} drains nothing", sequence.id.value);
      break;
  }
}

void Scheduler::check_integrity() const {
  pool_.check_integrity();
  index_.check_integrity();
  std::vector<int32_t> references(static_cast<size_t>(config_.num_pages), 0);
  int64_t with_slot = 0;
  int64_t draining = 0;
  for (const auto& [id, sequence] : sequences_) {
    with_slot += sequence->has_slot() ? 1 : 0;
    draining += sequence->state == Sequence::State::kDraining ? 1 : 0;
    for (const PageId page : sequence->pages.pages()) {
      ++references[static_cast<size_t>(page.value)];
    }
    check_sequence(*sequence);
  }
  TALON_CHECK(draining == num_draining(), "{} of {} sequences drain", draining, num_draining());
  for (const auto& [id, pages] : quarantine_) {
    for (const PageId page : pages.pages()) {
      ++references[static_cast<size_t>(page.value)];
      check_foreign(page);
    }
  }
  for (int32_t page = 1; page < config_.num_pages; ++page) {
    TALON_CHECK(references[static_cast<size_t>(page)] == pool_.num_references(PageId{page}),
                "page {}: {} held", page, references[static_cast<size_t>(page)]);
  }
  const auto slots = with_slot + std::ssize(free_slots_);
  TALON_CHECK(slots == config_.max_sequences, "{} slots add up", slots);
}

}  // namespace talon
