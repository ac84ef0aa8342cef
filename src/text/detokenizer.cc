#include "text/detokenizer.h"

#include "base/ids.h"

namespace talon::text {

std::string Detokenizer::push(TokenId id) {
  if (skip_special_ && tokenizer_.is_special(id)) {
    return {};
  }
  return assembler_.push(tokenizer_.token_bytes(id));
}

}  // namespace talon::text
