// What a tokenizer.json says, checked for form and bounds.
//
// Untrusted input: parsing returns the value or a one-line message that starts with the field at
// fault. A setting that would change the ids and is not implemented is a failure, never ignored.
// Left aside, because they change no id of encode(): `truncation` and `padding` (the caller's
// business in transformers too), the post-processor (it only adds tokens, and nothing is ever added
// here), and keys of the top level that the format does not know.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "text/added_tokens.h"
#include "text/normalizer.h"
#include "text/pretokenizer.h"

namespace talon::text {

struct TokenizerFile {
  // Spellings of model.vocab, in file order. Ids are in [0, kMaxVocabulary), not yet known to be
  // distinct.
  std::vector<std::pair<std::string, TokenId>> vocab;
  // Spellings of model.merges in order of rank, not yet looked up.
  std::vector<std::pair<std::string, std::string>> merges;
  std::vector<AddedToken> added_tokens;
  std::optional<std::string> unk_token;
  bool fuse_unk = false;
  bool ignore_merges = false;
  Normalization normalization = Normalization::kNone;
  PretokenizerSpec pretokenizer;
};

Result<TokenizerFile> parse_tokenizer_file(std::string_view json);

}  // namespace talon::text
