// Reads the JSON of a tokenizer file in one pass, keeping its two large tables out of the document.
//
// A vocabulary and its merges are most of the file. As a document tree they would cost ten times
// their bytes, and looking for duplicate keys in them a square of their number; here they go to
// plain vectors. Includes the JSON library: for tokenizer_file.cc and tests only.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace talon::text {

struct TokenizerJson {
  // Everything but model.vocab and model.merges. Keys are distinct.
  Json document;
  bool has_vocab = false;
  bool has_merges = false;
  std::vector<std::pair<std::string, int64_t>> vocab;
  // "a b" and ["a", "b"] alike. A string that starts with "#version" is a comment.
  std::vector<std::pair<std::string, std::string>> merges;
};

Result<TokenizerJson> read_tokenizer_json(std::string_view text);

}  // namespace talon::text
