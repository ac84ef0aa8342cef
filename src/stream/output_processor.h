// From a request's token events to what its reader sees: text that never ends inside a character,
// cut at the earliest stop string, with each piece marked by the draft position that gave it.
//
// One processor a request, used from one thread, the same for every command and the server. Stop
// strings are found here and nowhere else: on a match it ends the request in the engine, and text,
// token list and kept counters stop there. Tokens up to the one that completes the stop string
// count as kept; the text ends before the string, or after it if asked.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "engine/request.h"
#include "engine/spec_stats.h"
#include "text/detokenizer.h"
#include "text/stop_scanner.h"
#include "text/tokenizer.h"

namespace talon {

struct OutputSettings {
  std::vector<std::string> stop{};  // each 1..256 bytes
  bool include_stop = false;        // the stop string is part of the text
  bool skip_special_tokens = true;
  int32_t min_tokens = 0;  // stop strings do not end the answer before so many
};

// Text of one or more tokens of one origin: 0 = the target's own, i = draft i.
struct TextSegment {
  std::string text;
  int32_t draft_position = 0;
};

// One kept token with the text that it released; empty for a special token left out or one in the
// middle of a character. At the very end `token` is -1 with the replacement of half a character.
struct OutputToken {
  TokenId token{-1};
  std::string text{};
  int32_t draft_position = 0;
};

class OutputProcessor {
 public:
  // Ends a request whose text is complete. For readers on another thread than the engine's.
  using Finish = std::function<void(SeqId)>;

  // References must outlive the processor.
  OutputProcessor(const text::Tokenizer& tokenizer,
                  Finish finish,
                  Submission submission,
                  const OutputSettings& settings);
  // On the engine's thread.
  OutputProcessor(const text::Tokenizer& tokenizer,
                  Engine& engine,
                  Submission submission,
                  const OutputSettings& settings);

  // Takes all events that wait in the queue and gives the text they release, in order. Text that
  // may still become a stop string is held back, together with the rest of its token.
  std::vector<TextSegment> drain();
  // The same token by token, for parsers that go by ids.
  std::vector<OutputToken> drain_tokens();

  // For a reader that has enough: ends the request behind the first `num_tokens` of tokens(),
  // reason kStop, as if a stop string had ended there. The engine may have made more, or be done.
  void stop_after(int64_t num_tokens);

  bool finished() const { return finish_.has_value(); }
  FinishReason finish_reason() const { return *finish_; }         // once finished
  const std::vector<TokenId>& tokens() const { return tokens_; }  // kept ones
  // One a kept token, if the request asked; positions 1, 2, .. of the prompt likewise.
  const std::vector<PositionLogprobs>& logprobs() const { return logprobs_; }
  const std::vector<PositionLogprobs>& prompt_logprobs() const { return prompt_logprobs_; }
  int32_t cached_tokens() const { return cached_tokens_; }  // of the prompt
  SpecStats stats() const { return summarise(rounds_); }

 private:
  void take(const TokenEvent& event, std::vector<OutputToken>& out);
  bool take_token(TokenId token, int32_t draft_position, std::vector<OutputToken>& out);
  void end(FinishReason reason, std::vector<OutputToken>& out);
  void release(std::string_view text, std::vector<OutputToken>& out);
  void release_rest(std::vector<OutputToken>& out);

  bool may_stop() const { return std::ssize(tokens_) > min_tokens_; }

  // A token with the text released so far, and how many of its bytes are still held back.
  struct Origin {
    OutputToken token;
    size_t held_bytes = 0;
  };

  Finish finish_request_;
  Submission submission_;
  text::Detokenizer detokenizer_;
  text::StopScanner scanner_;
  int32_t min_tokens_;
  std::vector<TokenId> tokens_;
  std::vector<PositionLogprobs> logprobs_;
  std::vector<PositionLogprobs> prompt_logprobs_;
  int32_t cached_tokens_ = 0;
  std::vector<KeptRound> rounds_;
  std::deque<Origin> origins_;
  std::optional<FinishReason> finish_;
};

}  // namespace talon
