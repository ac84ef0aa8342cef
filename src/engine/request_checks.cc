#include "engine/request_checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <span>
#include <unordered_set>

namespace talon {
namespace {

constexpr size_t kMaxStopTokenIds = 64;
constexpr size_t kMaxLogitBiases = 1024;
constexpr size_t kMaxSaltBytes = 256;
constexpr int32_t kMaxPriority = 1000;
constexpr float kMaxBias = 100.0F;

Refusal invalid(std::string_view field, std::string message) {
  return {Refusal::Code::kInvalid, std::string(field), std::move(message)};
}

// A number that must lie in [low, high]; NaN never does.
struct Range {
  const char* field;
  float value;
  float low;
  float high;
  bool low_is_excluded = false;
};

std::optional<Refusal> find_range_fault(const SamplingSettings& settings) {
  const Range ranges[] = {
      {"temperature", settings.temperature, 0.0F, 2.0F},
      {"top_p", settings.top_p, 0.0F, 1.0F, true},
      {"min_p", settings.min_p, 0.0F, 1.0F},
      {"repetition_penalty", settings.repetition_penalty, 0.0F, 2.0F, true},
      {"presence_penalty", settings.presence_penalty, -2.0F, 2.0F},
      {"frequency_penalty", settings.frequency_penalty, -2.0F, 2.0F},
  };
  for (const Range& range : ranges) {
    const bool above = range.low_is_excluded ? range.value > range.low : range.value >= range.low;
    if (!above || !(range.value <= range.high)) {
      return invalid(range.field,
                     fmt::format("{} is not in {}{}, {}]", range.value,
                                 range.low_is_excluded ? '(' : '[', range.low, range.high));
    }
  }
  return std::nullopt;
}

class IdCheck {
 public:
  explicit IdCheck(int32_t vocab_size) : vocab_size_(vocab_size) {}

  std::optional<Refusal> operator()(std::string_view field, std::span<const TokenId> ids) const {
    for (const TokenId id : ids) {
      if (id.value < 0 || id.value >= vocab_size_) {
        return invalid(field,
                       fmt::format("id {} is outside the vocabulary of {}", id.value, vocab_size_));
      }
    }
    return std::nullopt;
  }

 private:
  int32_t vocab_size_;
};

std::optional<Refusal> find_bias_fault(const std::vector<LogitBias>& biases, const IdCheck& check) {
  if (biases.size() > kMaxLogitBiases) {
    return invalid("logit_bias", fmt::format("more than {} entries", kMaxLogitBiases));
  }
  std::unordered_set<TokenId> seen;
  for (const LogitBias& entry : biases) {
    if (std::optional<Refusal> fault = check("logit_bias", {&entry.token, 1})) {
      return fault;
    }
    if (!(std::abs(entry.bias) <= kMaxBias)) {
      return invalid("logit_bias", fmt::format("{} is not in [-100, 100]", entry.bias));
    }
    if (!seen.insert(entry.token).second) {
      return invalid("logit_bias", fmt::format("id {} stands twice", entry.token.value));
    }
  }
  return std::nullopt;
}

// Some id must be left to draw, also while end ids are held back.
std::optional<Refusal> find_choice_fault(const SamplingSettings& settings) {
  if (settings.allowed_token_ids.empty()) {
    return std::nullopt;
  }
  const auto& bad = settings.bad_token_ids;
  const bool some = std::any_of(
      settings.allowed_token_ids.begin(), settings.allowed_token_ids.end(),
      [&bad](TokenId id) { return std::find(bad.begin(), bad.end(), id) == bad.end(); });
  if (!some) {
    return invalid("allowed_token_ids", "every id is among the bad ones");
  }
  return std::nullopt;
}

std::optional<Refusal> find_sampling_fault(const Request& request, const IdCheck& check) {
  const SamplingSettings& settings = request.sampling;
  if (std::optional<Refusal> fault = find_range_fault(settings)) {
    return fault;
  }
  if (settings.top_k < -1) {
    return invalid("top_k", fmt::format("{} is below -1", settings.top_k));
  }
  if (settings.min_tokens < 0 || settings.min_tokens > request.max_tokens) {
    return invalid("min_tokens", fmt::format("{} is not in 0..max_tokens = {}", settings.min_tokens,
                                             request.max_tokens));
  }
  if (std::optional<Refusal> fault = find_bias_fault(settings.logit_bias, check)) {
    return fault;
  }
  if (std::optional<Refusal> fault = check("allowed_token_ids", settings.allowed_token_ids)) {
    return fault;
  }
  if (std::optional<Refusal> fault = check("bad_token_ids", settings.bad_token_ids)) {
    return fault;
  }
  return find_choice_fault(settings);
}

std::optional<Refusal> find_prompt_fault(const Request& request, const RequestLimits& limits) {
  const auto length = std::ssize(request.prompt);
  if (length == 0) {
    return invalid("prompt", "the prompt has no token");
  }
  if (length >= limits.context_limit) {
    return Refusal{Refusal::Code::kContextLength, "prompt",
                   fmt::format("the prompt has {} tokens and the context holds {}, one of them for "
                               "the answer",
                               length, limits.context_limit)};
  }
  return IdCheck(limits.vocab_size)("prompt", request.prompt);
}

std::optional<Refusal> find_limit_fault(const Request& request) {
  if (request.max_tokens < 1) {
    return invalid("max_tokens", "must be at least 1");
  }
  if (request.max_drafts < 0) {
    return invalid("max_drafts", "must not be negative");
  }
  if (request.stop_token_ids.size() > kMaxStopTokenIds) {
    return invalid("stop_token_ids", fmt::format("more than {} ids", kMaxStopTokenIds));
  }
  if (request.num_choices < 1 || request.num_choices > kMaxChoices) {
    return invalid("n", fmt::format("{} is not in 1..{}", request.num_choices, kMaxChoices));
  }
  for (const auto& [field, count] : {std::pair{"logprobs", request.num_logprobs},
                                     {"prompt_logprobs", request.num_prompt_logprobs}}) {
    if (count < -1 || count > kMaxTopLogprobs) {
      return invalid(field, fmt::format("{} is not in 0..{}", count, kMaxTopLogprobs));
    }
  }
  if (std::abs(request.priority) > kMaxPriority) {
    return invalid("priority", fmt::format("{} is not in -{}..{}", request.priority, kMaxPriority,
                                           kMaxPriority));
  }
  if (request.cache_salt.size() > kMaxSaltBytes) {
    return invalid("cache_salt", fmt::format("more than {} bytes", kMaxSaltBytes));
  }
  if (!request.constraints.empty() && std::ssize(request.constraints) != request.num_choices) {
    return invalid("constraints", "one a choice is needed");
  }
  return std::nullopt;
}

// What cannot be handed off between two engines.
std::optional<Refusal> find_handoff_fault(const Request& request) {
  if (request.handoff == HandoffRole::kNone) {
    return std::nullopt;
  }
  if (request.prompt.size() < 2) {
    return invalid("prompt",
                   "a handoff needs two tokens: the last one is computed by its receiver");
  }
  if (request.num_prompt_logprobs >= 0) {
    return invalid("prompt_logprobs", "a prompt that is handed off has none");
  }
  if (request.handoff == HandoffRole::kPrefill && request.num_choices != 1) {
    return invalid(
        "n", fmt::format("{} choices of a prompt that is only computed", request.num_choices));
  }
  return std::nullopt;
}

}  // namespace

std::optional<Refusal> find_fault(const Request& request, const RequestLimits& limits) {
  if (std::optional<Refusal> fault = find_prompt_fault(request, limits)) {
    return fault;
  }
  if (std::optional<Refusal> fault = find_limit_fault(request)) {
    return fault;
  }
  if (std::optional<Refusal> fault = find_handoff_fault(request)) {
    return fault;
  }
  const IdCheck check(limits.vocab_size);
  if (std::optional<Refusal> fault = check("stop_token_ids", request.stop_token_ids)) {
    return fault;
  }
  if (std::optional<Refusal> fault = find_sampling_fault(request, check)) {
    return fault;
  }
  if (request.num_choices > limits.max_queue_len) {
    return invalid("n", fmt::format("{} choices never fit a queue of {}", request.num_choices,
                                    limits.max_queue_len));
  }
  return std::nullopt;
}

}  // namespace talon
