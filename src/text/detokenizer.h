// Token ids to text, one token at a time, never half a character.
//
// The pieces of push() and finish() add up to Tokenizer::decode of all ids: bytes that begin a
// character wait until its end comes, bytes that cannot become one turn into U+FFFD. One sequence,
// one thread. Keeps a reference to the tokenizer, which must outlive it.
#pragma once

#include <string>

#include "base/ids.h"
#include "base/utf8.h"
#include "text/tokenizer.h"

namespace talon::text {

class Detokenizer {
 public:
  Detokenizer(const Tokenizer& tokenizer, bool skip_special)
      : tokenizer_(tokenizer), skip_special_(skip_special) {}

  // The text that is settled with this token; often empty, and valid UTF-8 always.
  std::string push(TokenId id);

  // What is still held back, at the end of the sequence. The detokenizer is as new afterwards.
  std::string finish() { return assembler_.finish(); }

 private:
  const Tokenizer& tokenizer_;
  bool skip_special_;
  Utf8Assembler assembler_;
};

}  // namespace talon::text
