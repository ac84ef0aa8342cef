#include "sim/answer_check.h"

#include <algorithm>

#include "base/checked_int.h"
#include "sim/violation.h"

namespace talon::test {

AnswerCheck::AnswerCheck(const AnswerSetup& setup,
                         const Request& request,
                         int32_t choice,
                         const Submission& submission)
    : request_(request),
      id_(submission.id),
      events_(submission.events),
      root_(salt_root(request.cache_salt)),
      history_(root_),
      prompt_len_(std::ssize(request.prompt)),
      max_len_(std::min(prompt_len_ + request.max_tokens, setup.context_limit)),
      vocab_size_(setup.vocab_size),
      // The first choice of a request with prompt logprobs computes its whole prompt.
      may_hit_(choice > 0 || (setup.prefix_caching && request.num_prompt_logprobs < 0)) {
  for (const TokenId token : request.prompt) {
    history_.append(token);
  }
  request_.prompt.clear();
  request_.constraints.clear();
  request_.sampling.seed = static_cast<int64_t>(static_cast<uint64_t>(request.sampling.seed) +
                                                static_cast<uint64_t>(choice));
  request_.num_prompt_logprobs = choice == 0 ? request.num_prompt_logprobs : -1;
  end_ids_ = request.stop_token_ids;
  if (!request.ignore_eos) {
    end_ids_.insert(end_ids_.end(), setup.end_token_ids.begin(), setup.end_token_ids.end());
  }
  if (!request.constraints.empty()) {
    constraint_ = std::make_unique<FakeConstraint>(vocab_size_);
    mask_.resize(static_cast<size_t>(ceil_div(vocab_size_, 32)));
  }
}

void AnswerCheck::expect_end(FinishReason reason) { told_ = reason; }

bool AnswerCheck::is_end(TokenId token) const {
  return std::find(end_ids_.begin(), end_ids_.end(), token) != end_ids_.end();
}

TokenId AnswerCheck::right_token() {
  ChoiceRule rule{.seed = request_.sampling.seed, .held_back = {}, .mask = {}};
  if (num_output_tokens() < request_.sampling.min_tokens) {
    rule.held_back = end_ids_;
  }
  if (constraint_ != nullptr) {
    std::fill(mask_.begin(), mask_.end(), 0);
    constraint_->fill_mask(mask_);
    rule.mask = mask_;
  }
  return choose_token(history_.hash(), rule, vocab_size_);
}

std::optional<FinishReason> AnswerCheck::append(TokenId token) {
  history_.append(token);
  const bool is_legal = constraint_ == nullptr || constraint_->accept(token);
  demand(is_legal, "sequence {}: the grammar refuses token {}", id_.value, history_.size() - 1);
  if (is_end(token)) {
    return FinishReason::kStop;
  }
  return history_.size() >= max_len_ ? std::optional(FinishReason::kLength) : std::nullopt;
}

bool AnswerCheck::take_events() {
  while (const std::optional<TokenEvent> event = events_->try_pop()) {
    take(*event);
  }
  return finish_.has_value();
}

void AnswerCheck::take(const TokenEvent& event) {
  demand(!finish_.has_value(), "sequence {}: an event after the last one", id_.value);
  if (has_event_) {
    demand(event.prompt_logprobs.empty() && event.cached_tokens == 0,
           "sequence {}: its prompt is told twice", id_.value);
  } else {
    take_first(event);
  }
  std::optional<FinishReason> end;
  for (const TokenId token : event.tokens) {
    demand(!end.has_value(), "sequence {}: token {} stands past the end", id_.value,
           history_.size());
    const TokenId right = right_token();
    demand(token == right, "sequence {}: token {} is {}, not {}", id_.value, history_.size(),
           token.value, right.value);
    end = append(token);
  }
  check_logprobs(event);
  const RoundRecord& round = event.round;
  demand(round.accepted <= round.drafted &&
             std::ssize(event.tokens) <= std::max(1, round.accepted + 1),
         "sequence {}: {} tokens of {} accepted of {}", id_.value, event.tokens.size(),
         round.accepted, round.drafted);
  if (event.tokens.empty()) {
    end = told_;  // only a caller ends a sequence without a token
  }
  const auto name = [](std::optional<FinishReason> reason) {
    return reason.has_value() ? finish_reason_name(*reason) : "going on";
  };
  demand(event.finish == end && (!event.tokens.empty() || end.has_value()),
         "sequence {}: {} after {} tokens, not {}", id_.value, name(event.finish),
         num_output_tokens(), name(end));
  finish_ = event.finish;
}

void AnswerCheck::take_first(const TokenEvent& event) {
  has_event_ = true;
  const int64_t most = may_hit_ ? prompt_len_ - 1 : 0;
  demand(event.cached_tokens >= 0 && event.cached_tokens <= most, "sequence {}: {} cached tokens",
         id_.value, event.cached_tokens);
  if (event.tokens.empty()) {
    return;  // ended before its prompt was computed
  }
  const int64_t expected = request_.num_prompt_logprobs >= 0 ? prompt_len_ - 1 : 0;
  demand(std::ssize(event.prompt_logprobs) == expected, "sequence {}: {} prompt logprobs of {}",
         id_.value, event.prompt_logprobs.size(), expected);
  for (int64_t p = 0; p < expected; ++p) {
    const TokenId token = event.prompt_logprobs[static_cast<size_t>(p)].chosen.token;
    demand(token == history_.at(p + 1), "sequence {}: prompt logprob {} is of another token",
           id_.value, p + 1);
  }
}

void AnswerCheck::check_logprobs(const TokenEvent& event) const {
  const size_t expected = request_.num_logprobs >= 0 ? event.tokens.size() : 0;
  bool equal = event.logprobs.size() == expected;
  for (size_t i = 0; equal && i < expected; ++i) {
    equal = event.logprobs[i].chosen.token == event.tokens[i];
  }
  demand(equal, "sequence {}: {} logprobs of {}", id_.value, event.logprobs.size(), expected);
}

}  // namespace talon::test
