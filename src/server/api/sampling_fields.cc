#include "server/api/sampling_fields.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <unordered_set>

#include "base/printable.h"

namespace talon::server {
namespace {

constexpr size_t kMaxLogitBiases = 1024;
constexpr double kMaxBias = 100.0;

// An id in plain decimal digits.
std::optional<int32_t> read_id(std::string_view text, int32_t vocab_size) {
  int32_t id = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error != std::errc{} || end != text.data() + text.size() || id < 0 || id >= vocab_size) {
    return std::nullopt;
  }
  return id;
}

void read_logit_bias(Fields& fields, int32_t vocab_size, std::vector<LogitBias>& out) {
  const Json* biases = fields.find_object("logit_bias");
  if (biases == nullptr) {
    return;
  }
  if (biases->size() > kMaxLogitBiases) {
    fields.fail("invalid_value", "logit_bias",
                fmt::format("logit_bias has more than {} entries", kMaxLogitBiases));
    return;
  }
  out.reserve(biases->size());
  std::unordered_set<int32_t> seen;
  for (const auto& [key, bias] : biases->items()) {
    const std::string path = fields.path_of("logit_bias") + "." + printable(key);
    const std::optional<int32_t> id = read_id(key, vocab_size);
    if (!id.has_value()) {
      fields.fail_at(
          "invalid_value", path,
          fmt::format("\"{}\" is no id of the vocabulary of {}", printable(key), vocab_size));
      return;
    }
    if (!seen.insert(*id).second) {
      fields.fail_at("invalid_value", path, fmt::format("id {} stands twice", *id));
      return;
    }
    if (!bias.is_number()) {
      fields.fail_at("invalid_type", path, "a bias must be a number");
      return;
    }
    const auto value = bias.get<double>();
    if (!(std::abs(value) <= kMaxBias)) {
      fields.fail_at("invalid_value", path, fmt::format("{} is not in [-100, 100]", value));
      return;
    }
    out.push_back({.token = TokenId{*id}, .bias = static_cast<float>(value)});
  }
}

}  // namespace

SamplingSettings read_sampling(Fields& fields, const ApiContext& context, const Arrival& arrival) {
  SamplingSettings settings = context.defaults;
  fields.read("temperature", settings.temperature, RealRange{.low = 0.0, .high = 2.0});
  fields.read("top_p", settings.top_p, RealRange{.low = 0.0, .high = 1.0, .low_is_excluded = true});
  fields.read("top_k", settings.top_k, IntRange{.low = -1, .high = context.vocab_size});
  fields.read("min_p", settings.min_p, RealRange{.low = 0.0, .high = 1.0});
  fields.read("presence_penalty", settings.presence_penalty, RealRange{.low = -2.0, .high = 2.0});
  fields.read("frequency_penalty", settings.frequency_penalty, RealRange{.low = -2.0, .high = 2.0});
  fields.read("repetition_penalty", settings.repetition_penalty,
              RealRange{.low = 0.0, .high = 2.0, .low_is_excluded = true});
  settings.seed = arrival.seed;
  fields.read("seed", settings.seed,
              IntRange{.low = std::numeric_limits<int64_t>::min(),
                       .high = std::numeric_limits<int64_t>::max()});
  read_logit_bias(fields, context.vocab_size, settings.logit_bias);
  fields.read_ids("allowed_token_ids", static_cast<size_t>(context.vocab_size), context.vocab_size,
                  settings.allowed_token_ids);
  if (fields.find("allowed_token_ids") != nullptr && settings.allowed_token_ids.empty()) {
    fields.fail("invalid_value", "allowed_token_ids", "allowed_token_ids must not be empty");
  }
  return settings;
}

}  // namespace talon::server
