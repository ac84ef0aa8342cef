// The embedded model's tokenizer and template, as a server that serves it under the name "tiny"
// sees them. Nothing of it holds weights.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "server/api/answer.h"
#include "server/api/context.h"
#include "stream/output_processor.h"
#include "text/chat_template.h"
#include "text/detokenizer.h"
#include "text/tokenizer.h"

namespace talon::test {

inline const text::Tokenizer& api_tokenizer() {
  static const text::Tokenizer kTokenizer =
      text::Tokenizer::load(TALON_SOURCE_DIR "/models/talon-tiny");
  return kTokenizer;
}

inline const text::ChatTemplate& api_template() {
  static const text::ChatTemplate kTemplate =
      text::ChatTemplate::load(TALON_SOURCE_DIR "/models/talon-tiny");
  return kTemplate;
}

// 4,096 ids as the model has logits, a context of 256 tokens, with grammars.
inline server::ApiContext api_context() {
  const text::Tokenizer& tokenizer = api_tokenizer();
  server::ApiContext context;
  context.model_names = {"tiny", "/models/tiny/"};
  context.tokenizer = &tokenizer;
  context.chat_template = &api_template();
  context.vocab_size = 4096;
  context.context_limit = 256;
  context.reasoning = {.open = *tokenizer.token_id("<mm:think>"),
                       .close = *tokenizer.token_id("</mm:think>")};
  context.tool_tokens = {.marker = *tokenizer.token_id("]<]minimax[>["),
                         .open = *tokenizer.token_id("<tool_call>"),
                         .close = *tokenizer.token_id("</tool_call>")};
  context.has_grammars = true;
  return context;
}

// The tokens of a text with the text that each adds, as OutputProcessor gives them.
inline std::vector<OutputToken> output_tokens(std::string_view text) {
  text::Detokenizer detokenizer(api_tokenizer(), true);
  std::vector<OutputToken> out;
  for (const TokenId id : api_tokenizer().encode(text)) {
    out.push_back({.token = id, .text = detokenizer.push(id)});
  }
  return out;
}

}  // namespace talon::test
