#include "engine/scheduler.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "kv/reach.h"

namespace talon {
namespace {

constexpr size_t kMaxStopTokenIds = 64;

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
  }
  return "?";
}

Scheduler::Scheduler(const SchedulerConfig& config) : config_(config), pool_(config.num_pages) {
  const int64_t room = int64_t{config.num_pages - 1} * kPageTokens;
  TALON_CHECK(config.context_limit <= room, "a context of {} tokens does not fit {} positions",
              config.context_limit, room);
  TALON_CHECK(config.max_drafts >= 0 && config.max_drafts <= kMaxDrafts, "{}", config.max_drafts);
  TALON_CHECK(config.max_rows > config.max_drafts, "{} rows a step", config.max_rows);
}

std::optional<Refusal> Scheduler::find_fault(const Request& request) const {
  using Code = Refusal::Code;
  const auto length = std::ssize(request.prompt);
  if (length == 0) {
    return Refusal{Code::kInvalid, "prompt", "the prompt has no token"};
  }
  if (length >= config_.context_limit) {
    return Refusal{Code::kContextLength, "prompt",
                   fmt::format("the prompt has {} tokens and the context holds {}, one of them for "
                               "the answer",
                               length, config_.context_limit)};
  }
  if (request.max_tokens < 1) {
    return Refusal{Code::kInvalid, "max_tokens", "must be at least 1"};
  }
  if (request.max_drafts < 0) {
    return Refusal{Code::kInvalid, "max_drafts", "must not be negative"};
  }
  if (request.stop_token_ids.size() > kMaxStopTokenIds) {
    return Refusal{Code::kInvalid, "stop_token_ids", "more than 64 ids"};
  }
  const auto is_foreign = [this](TokenId id) {
    return id.value < 0 || id.value >= config_.vocab_size;
  };
  if (std::any_of(request.prompt.begin(), request.prompt.end(), is_foreign)) {
    return Refusal{Code::kInvalid, "prompt", "a token id is outside the vocabulary"};
  }
  const auto& stops = request.stop_token_ids;
  if (std::any_of(stops.begin(), stops.end(), is_foreign)) {
    return Refusal{Code::kInvalid, "stop_token_ids", "an id is outside the vocabulary"};
  }
  if (num_waiting() >= config_.max_queue_len) {
    return Refusal{Code::kQueueFull, "queue", fmt::format("{} requests wait", num_waiting())};
  }
  return std::nullopt;
}

std::variant<Submission, Refusal> Scheduler::add(Request&& request) {
  if (std::optional<Refusal> fault = find_fault(request)) {
    return std::move(*fault);
  }
  Sequence sequence(SeqId{next_id_++}, std::move(request), config_.context_limit, pool_);
  // A step adds at least one token or ends the request, so this many events always fit.
  const int64_t max_events = sequence.max_len - sequence.prompt_len + 1;
  sequence.events = std::make_shared<EventQueue>(static_cast<size_t>(max_events));
  Submission submission{.id = sequence.id, .events = sequence.events};
  waiting_.push_back(std::move(sequence));
  return submission;
}

void Scheduler::cancel(SeqId id) { finish(id, FinishReason::kCancelled); }

void Scheduler::finish(SeqId id, FinishReason reason) {
  if (running_.has_value() && running_->id == id) {
    end(reason, {});
    return;
  }
  const auto match = [id](const Sequence& sequence) { return sequence.id == id; };
  const auto it = std::find_if(waiting_.begin(), waiting_.end(), match);
  if (it != waiting_.end()) {
    const bool delivered = it->events->try_push({.tokens = {}, .round = {}, .finish = reason});
    TALON_CHECK(delivered, "events of sequence {} do not fit", id.value);
    waiting_.erase(it);
  }
}

void Scheduler::admit() {
  if (!running_.has_value() && !waiting_.empty()) {
    running_.emplace(std::move(waiting_.front()));
    waiting_.pop_front();
    running_->slot = SlotIndex{0};
  }
}

PlanRow Scheduler::prefill_row(const Sequence& sequence) const {
  const int64_t left = sequence.prompt_len - sequence.kv_len;
  const int64_t count = std::min<int64_t>(left, config_.max_rows);
  const auto first = sequence.tokens.begin() + sequence.kv_len;
  const bool is_last = count == left;
  return {.sequence = sequence.id,
          .slot = sequence.slot,
          .first_position = sequence.kv_len,
          .tokens = {first, first + count},
          .next_token = is_last ? TokenId{} : *(first + count),
          .num_drafts = 0,
          .drafts_to_make = is_last ? std::min(config_.max_drafts, sequence.request.max_drafts) : 0,
          .sample = is_last};
}

PlanRow Scheduler::verify_row(const Sequence& sequence) const {
  // The round emits one token more than the drafts it accepts; more drafts than that are waste.
  const int64_t room = sequence.max_len - sequence.num_tokens() - 1;
  return {.sequence = sequence.id,
          .slot = sequence.slot,
          .first_position = sequence.kv_len,
          .tokens = {},
          .next_token = {},
          .num_drafts = static_cast<int32_t>(std::min<int64_t>(sequence.num_drafts, room)),
          .drafts_to_make = std::min(config_.max_drafts, sequence.request.max_drafts),
          .sample = true};
}

void Scheduler::reserve_pages(Sequence& sequence, StepPlan& plan) {
  const PlanRow& row = plan.rows.back();
  const int64_t base = row.is_prefill() ? sequence.kv_len + row.num_rows() - 1 : sequence.kv_len;
  const int64_t reach = kv_reach(base, config_.max_drafts, 1);
  const auto before = sequence.pages.pages().size();
  // Positions at and past the context limit go to the null page.
  const bool enough = sequence.pages.reserve(std::min(reach, config_.context_limit));
  TALON_CHECK(enough, "{} pages for one sequence are too few", config_.num_pages);
  const auto pages = sequence.pages.pages();
  if (pages.size() > before || sequence.kv_len == 0) {
    plan.page_patches.push_back(
        {.slot = sequence.slot,
         .first_index = static_cast<int32_t>(before),
         .pages = {pages.begin() + static_cast<int64_t>(before), pages.end()}});
  }
}

StepPlan Scheduler::plan() {
  TALON_CHECK(!in_flight_.has_value(), "round {} is not committed", in_flight_->round);
  StepPlan plan;
  admit();
  if (!running_.has_value()) {
    return plan;
  }
  Sequence& sequence = *running_;
  TALON_CHECK(sequence.is_prefilling() || sequence.kv_len == sequence.num_tokens() - 1,
              "sequence {}: kv_len {}, {} tokens", sequence.id.value, sequence.kv_len,
              sequence.num_tokens());
  plan.round = next_round_++;
  plan.rows.push_back(sequence.is_prefilling() ? prefill_row(sequence) : verify_row(sequence));
  reserve_pages(sequence, plan);
  in_flight_ = plan;
  return plan;
}

std::optional<FinishReason> Scheduler::append(Sequence& sequence, TokenId token) const {
  sequence.tokens.push_back(token);
  const bool is_end = contains(config_.end_token_ids, token) && !sequence.request.ignore_eos;
  if (is_end || contains(sequence.request.stop_token_ids, token)) {
    return FinishReason::kStop;
  }
  if (sequence.num_tokens() >= sequence.max_len) {
    return FinishReason::kLength;
  }
  return std::nullopt;
}

void Scheduler::commit(const StepResult& result) {
  TALON_CHECK(in_flight_.has_value() && in_flight_->round == result.round,
              "a result of round {} that nobody waits for", result.round);
  const StepPlan plan = std::move(*in_flight_);
  in_flight_.reset();
  TALON_CHECK(result.rows.size() == plan.rows.size(), "{} results", result.rows.size());
  const PlanRow& planned = plan.rows.front();
  const RowResult& row = result.rows.front();
  if (!running_.has_value() || running_->id != planned.sequence) {
    return;  // cancelled or finished while the step ran: its pages are back already
  }
  Sequence& sequence = *running_;
  if (!planned.sample) {
    sequence.kv_len += planned.num_rows();
    TALON_CHECK(row.kv_len == sequence.kv_len, "kv_len {} != {}", row.kv_len, sequence.kv_len);
    return;
  }
  TALON_CHECK(row.accepted >= 0 && row.accepted <= planned.num_drafts, "{}", row.accepted);
  TALON_CHECK(std::ssize(row.tokens) == row.accepted + 1, "{} tokens", row.tokens.size());
  TokenEvent event{.tokens = {},
                   .round = {.is_prefill = planned.is_prefill(),
                             .drafted = planned.num_drafts,
                             .accepted = row.accepted},
                   .finish = std::nullopt};
  for (const TokenId token : row.tokens) {
    event.tokens.push_back(token);
    event.finish = append(sequence, token);
    if (event.finish.has_value()) {
      end(*event.finish, std::move(event));
      return;
    }
  }
  sequence.kv_len = sequence.num_tokens() - 1;
  sequence.num_drafts = row.num_drafts;
  TALON_CHECK(row.kv_len == sequence.kv_len, "kv_len {} != {}", row.kv_len, sequence.kv_len);
  const bool delivered = sequence.events->try_push(std::move(event));
  TALON_CHECK(delivered, "events of sequence {} do not fit", sequence.id.value);
}

void Scheduler::end(FinishReason reason, TokenEvent&& last) {
  last.finish = reason;
  const bool delivered = running_->events->try_push(std::move(last));
  TALON_CHECK(delivered, "events of sequence {} do not fit", running_->id.value);
  running_.reset();
}

void Scheduler::check_integrity() const {
  pool_.check_integrity();
  const int32_t taken = pool_.num_pages() - 1 - pool_.num_free();
  const auto held = running_.has_value() ? std::ssize(running_->pages.pages()) : 0;
  TALON_CHECK(taken == held, "{} pages taken, {} held", taken, held);
  if (running_.has_value() && !running_->is_prefilling()) {
    TALON_CHECK(running_->kv_len == running_->num_tokens() - 1, "kv_len {}", running_->kv_len);
    TALON_CHECK(running_->num_tokens() <= running_->max_len, "{}", running_->num_tokens());
  }
}

}  // namespace talon
