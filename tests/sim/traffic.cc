#include "sim/traffic.h"

#include <algorithm>
#include <utility>

#include "sim/fake_model.h"

namespace talon::test {
namespace {

constexpr size_t kMaxConversations = 6;

}  // namespace

Traffic::Traffic(const SimSetup& setup) : setup_(setup), rng_(setup.seed ^ 0x7AFF1C) {}

void Traffic::remember(std::vector<TokenId>&& tokens) {
  conversations_.push_back(std::move(tokens));
  if (conversations_.size() > kMaxConversations) {
    conversations_.pop_front();
  }
}

std::vector<TokenId> Traffic::make_prompt() {
  const TrafficSetup& traffic = setup_.traffic;
  const int32_t vocab = setup_.scheduler.vocab_size;
  std::vector<TokenId> prompt;
  if (!conversations_.empty() && rng_.chance(0.3)) {
    prompt = conversations_[static_cast<size_t>(rng_.below(std::ssize(conversations_)))];
    if (rng_.chance(0.3)) {
      prompt.resize(static_cast<size_t>(rng_.between(1, std::ssize(prompt))));
    }
  } else {
    prompt = traffic.prefixes[static_cast<size_t>(rng_.below(std::ssize(traffic.prefixes)))];
  }
  const int64_t tail = rng_.between(prompt.empty() ? 1 : 0, traffic.max_tail);
  for (int64_t i = 0; i < tail; ++i) {
    const int64_t among = i == 0 ? traffic.num_tail_heads : vocab;
    prompt.emplace_back(static_cast<int32_t>(rng_.below(among)));
  }
  const auto limit = static_cast<size_t>(setup_.scheduler.context_limit - 1);
  if (prompt.size() > limit) {
    prompt.resize(limit);
  }
  return prompt;
}

void Traffic::add_limits(Request& request) {
  const SchedulerConfig& config = setup_.scheduler;
  request.max_tokens = static_cast<int32_t>(rng_.between(1, setup_.traffic.max_answer));
  request.ignore_eos = rng_.chance(setup_.traffic.only_lengths_end ? 0.9 : 0.2);
  if (rng_.chance(setup_.traffic.only_lengths_end ? 0.05 : 0.3)) {
    for (int64_t i = rng_.between(1, 4); i > 0; --i) {
      request.stop_token_ids.emplace_back(static_cast<int32_t>(rng_.below(config.vocab_size)));
    }
  }
  if (rng_.chance(0.2)) {
    request.max_drafts = static_cast<int32_t>(rng_.below(kMaxDrafts + 1));
  }
  if (rng_.chance(0.25)) {
    request.num_choices = static_cast<int32_t>(rng_.between(1, std::min(5, config.max_queue_len)));
  }
  if (rng_.chance(0.5)) {
    request.priority = static_cast<int32_t>(rng_.between(-3, 3));
  }
  if (rng_.chance(0.2)) {
    request.cache_salt = rng_.chance(0.5) ? "blue" : "red";
  }
  if (rng_.chance(0.1)) {
    request.num_logprobs = static_cast<int32_t>(rng_.below(3));
  }
  if (rng_.chance(0.06)) {
    request.num_prompt_logprobs = static_cast<int32_t>(rng_.below(3));
  }
}

void Traffic::add_sampling(Request& request) {
  request.sampling.seed = rng_.chance(0.5) ? 0 : static_cast<int64_t>(rng_.next());
  if (rng_.chance(0.15)) {
    request.sampling.min_tokens = static_cast<int32_t>(rng_.between(0, request.max_tokens));
  }
  if (rng_.chance(0.15)) {
    request.sampling.presence_penalty = 0.5F;
  }
}

void Traffic::spoil(Request& request) {
  const auto foreign = TokenId{setup_.scheduler.vocab_size};
  switch (rng_.below(7)) {
    case 0:
      request.prompt.clear();
      return;
    case 1:
      request.prompt.assign(static_cast<size_t>(setup_.scheduler.context_limit), TokenId{1});
      return;
    case 2:
      request.prompt.push_back(foreign);
      return;
    case 3:
      request.stop_token_ids.push_back(foreign);
      return;
    case 4:
      request.max_tokens = 0;
      return;
    case 5:
      request.num_choices = rng_.chance(0.5) ? 0 : 17;
      return;
    default:
      request.sampling.top_p = 0.0F;
      return;
  }
}

Arrival Traffic::next() {
  Arrival arrival;
  Request& request = arrival.request;
  request.prompt = make_prompt();
  add_limits(request);
  add_sampling(request);
  if (rng_.chance(0.1)) {
    arrival.has_constraints = true;
    for (int32_t j = 0; j < request.num_choices; ++j) {
      request.constraints.push_back(std::make_shared<FakeConstraint>(setup_.scheduler.vocab_size));
    }
  }
  if (rng_.chance(0.03)) {
    arrival.is_faulty = true;
    spoil(request);
  }
  return arrival;
}

}  // namespace talon::test
