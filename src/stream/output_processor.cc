#include "stream/output_processor.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace talon {

OutputProcessor::OutputProcessor(const text::Tokenizer& tokenizer,
                                 Finish finish,
                                 Submission submission,
                                 const OutputSettings& settings)
    : finish_request_(std::move(finish)),
      submission_(std::move(submission)),
      detokenizer_(tokenizer, settings.skip_special_tokens),
      scanner_(settings.stop, settings.include_stop),
      min_tokens_(settings.min_tokens) {}

OutputProcessor::OutputProcessor(const text::Tokenizer& tokenizer,
                                 Engine& engine,
                                 Submission submission,
                                 const OutputSettings& settings)
    : OutputProcessor(
          tokenizer, [&engine](SeqId id) { engine.finish(id); }, std::move(submission), settings) {}

std::vector<TextSegment> OutputProcessor::drain() {
  std::vector<TextSegment> out;
  for (OutputToken& token : drain_tokens()) {
    if (token.text.empty()) {
      continue;
    }
    if (out.empty() || out.back().draft_position != token.draft_position) {
      out.push_back({.text = {}, .draft_position = token.draft_position});
    }
    out.back().text += token.text;
  }
  return out;
}

std::vector<OutputToken> OutputProcessor::drain_tokens() {
  std::vector<OutputToken> out;
  while (std::optional<TokenEvent> event = submission_.events->try_pop()) {
    if (!finished()) {
      take(*event, out);
    }
  }
  return out;
}

void OutputProcessor::take(const TokenEvent& event, std::vector<OutputToken>& out) {
  cached_tokens_ += event.cached_tokens;
  prompt_logprobs_.insert(prompt_logprobs_.end(), event.prompt_logprobs.begin(),
                          event.prompt_logprobs.end());
  KeptRound kept{.round = event.round, .num_kept = 0};
  bool stopped = false;
  for (size_t i = 0; i < event.tokens.size() && !stopped; ++i) {
    const bool is_draft = static_cast<int32_t>(i) < event.round.accepted;
    stopped = take_token(event.tokens[i], is_draft ? static_cast<int32_t>(i) + 1 : 0, out);
    if (!event.logprobs.empty()) {
      logprobs_.push_back(event.logprobs[i]);
    }
    ++kept.num_kept;
  }
  if (!event.tokens.empty()) {
    rounds_.push_back(kept);
  }
  if (stopped) {
    release_rest(out);
    finish_ = FinishReason::kStop;
    finish_request_(submission_.id);
  } else if (event.finish.has_value()) {
    end(*event.finish, out);
  }
}

bool OutputProcessor::take_token(TokenId token,
                                 int32_t draft_position,
                                 std::vector<OutputToken>& out) {
  tokens_.push_back(token);
  const std::string piece = detokenizer_.push(token);
  origins_.push_back(
      {.token = {.token = token, .draft_position = draft_position}, .held_bytes = piece.size()});
  release(scanner_.push(piece, may_stop()), out);
  return scanner_.match().has_value();
}

void OutputProcessor::stop_after(int64_t num_tokens) {
  TALON_CHECK(0 <= num_tokens && num_tokens <= std::ssize(tokens_), "stop after {} tokens of {}",
              num_tokens, tokens_.size());
  const auto count = static_cast<size_t>(num_tokens);
  tokens_.resize(count);
  logprobs_.resize(std::min(count, logprobs_.size()));
  int64_t left = num_tokens;
  for (KeptRound& kept : rounds_) {
    kept.num_kept = std::min(kept.num_kept, left);
    left -= kept.num_kept;
  }
  std::erase_if(rounds_, [](const KeptRound& kept) { return kept.num_kept == 0; });
  origins_.clear();
  if (!finished()) {
    finish_request_(submission_.id);
  }
  finish_ = FinishReason::kStop;
}

void OutputProcessor::end(FinishReason reason, std::vector<OutputToken>& out) {
  const std::string rest = detokenizer_.finish();
  if (!rest.empty()) {
    origins_.push_back({.token = {}, .held_bytes = rest.size()});
  }
  release(scanner_.push(rest, may_stop()), out);
  release(scanner_.finish(), out);
  release_rest(out);
  finish_ = scanner_.match().has_value() ? FinishReason::kStop : reason;
}

// Gives released text back to the tokens that it came from, and hands out those that are complete.
void OutputProcessor::release(std::string_view text, std::vector<OutputToken>& out) {
  while (!origins_.empty()) {
    Origin& origin = origins_.front();
    const size_t count = std::min(origin.held_bytes, text.size());
    origin.token.text.append(text.substr(0, count));
    text.remove_prefix(count);
    origin.held_bytes -= count;
    if (origin.held_bytes > 0) {
      break;
    }
    out.push_back(std::move(origin.token));
    origins_.pop_front();
  }
  TALON_CHECK(text.empty(), "{} bytes of text from nowhere", text.size());
}

// What is held back now is cut away.
void OutputProcessor::release_rest(std::vector<OutputToken>& out) {
  for (Origin& origin : origins_) {
    out.push_back(std::move(origin.token));
  }
  origins_.clear();
}

}  // namespace talon
