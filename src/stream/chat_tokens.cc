#include "stream/chat_tokens.h"

namespace talon {

std::optional<text::ReasoningTags> find_reasoning_tags(const text::Tokenizer& tokenizer) {
  text::ReasoningTags tags;
  const std::optional<TokenId> open = tokenizer.token_id(tags.open_text);
  const std::optional<TokenId> close = tokenizer.token_id(tags.close_text);
  if (!open.has_value() || !close.has_value()) {
    return std::nullopt;
  }
  tags.open = *open;
  tags.close = *close;
  return tags;
}

std::optional<text::ToolTokens> find_tool_tokens(const text::Tokenizer& tokenizer) {
  text::ToolTokens tokens;
  const std::optional<TokenId> marker = tokenizer.token_id(tokens.marker_text);
  if (!marker.has_value()) {
    return std::nullopt;
  }
  tokens.marker = *marker;
  tokens.open = tokenizer.token_id(tokens.open_text).value_or(TokenId(-1));
  tokens.close = tokenizer.token_id(tokens.close_text).value_or(TokenId(-1));
  return tokens;
}

}  // namespace talon
