#include "server/api/logprob_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/utf8.h"

namespace talon::server {
namespace {

constexpr double kLeast = -9999.0;

double shown(float logprob) {
  const double value = logprob;
  return value > kLeast ? value : kLeast;  // NaN too
}

std::string token_text(std::string_view bytes) {
  if (valid_utf8_prefix(bytes) == bytes.size()) {
    return std::string(bytes);
  }
  std::string out = "bytes:";
  for (const char c : bytes) {
    out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
  }
  return out;
}

Json chat_entry(const text::Tokenizer& tokenizer, const TokenLogprob& entry) {
  const std::string_view bytes = tokenizer.token_bytes(entry.token);
  Json list = Json::array();
  for (const char c : bytes) {
    list.push_back(static_cast<unsigned char>(c));
  }
  return {{"token", token_text(bytes)}, {"logprob", shown(entry.logprob)}, {"bytes", list}};
}

}  // namespace

Json chat_logprobs_json(const text::Tokenizer& tokenizer,
                        std::span<const PositionLogprobs> positions) {
  Json content = Json::array();
  for (const PositionLogprobs& position : positions) {
    Json entry = chat_entry(tokenizer, position.chosen);
    entry["top_logprobs"] = Json::array();
    for (const TokenLogprob& top : position.top) {
      entry["top_logprobs"].push_back(chat_entry(tokenizer, top));
    }
    content.push_back(std::move(entry));
  }
  return {{"content", std::move(content)}, {"refusal", nullptr}};
}

void CompletionLogprobs::add(const PositionLogprobs& position, size_t offset) {
  tokens_.push_back(token_text(tokenizer_.token_bytes(position.chosen.token)));
  token_logprobs_.push_back(shown(position.chosen.logprob));
  Json top = Json::object();
  for (const TokenLogprob& entry : position.top) {
    top[token_text(tokenizer_.token_bytes(entry.token))] = shown(entry.logprob);
  }
  top[tokens_.back().get<std::string>()] = shown(position.chosen.logprob);
  top_logprobs_.push_back(std::move(top));
  text_offset_.push_back(offset);
}

void CompletionLogprobs::add_first(TokenId token, size_t offset) {
  tokens_.push_back(token_text(tokenizer_.token_bytes(token)));
  token_logprobs_.push_back(nullptr);
  top_logprobs_.push_back(nullptr);
  text_offset_.push_back(offset);
}

Json CompletionLogprobs::take() {
  return {{"tokens", std::exchange(tokens_, Json::array())},
          {"token_logprobs", std::exchange(token_logprobs_, Json::array())},
          {"top_logprobs", std::exchange(top_logprobs_, Json::array())},
          {"text_offset", std::exchange(text_offset_, Json::array())}};
}

Json prompt_logprobs_json(const text::Tokenizer& tokenizer,
                          std::span<const PositionLogprobs> positions) {
  Json out = Json::array({nullptr});
  for (const PositionLogprobs& position : positions) {
    std::vector<TokenLogprob> entries = position.top;
    const TokenId chosen = position.chosen.token;
    if (std::none_of(entries.begin(), entries.end(),
                     [chosen](const TokenLogprob& entry) { return entry.token == chosen; })) {
      entries.push_back(position.chosen);
    }
    Json object = Json::object();
    for (const TokenLogprob& entry : entries) {
      object[std::to_string(entry.token.value)] = {
          {"logprob", shown(entry.logprob)},
          {"decoded_token", token_text(tokenizer.token_bytes(entry.token))}};
    }
    out.push_back(std::move(object));
  }
  return out;
}

}  // namespace talon::server
