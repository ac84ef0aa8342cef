// The library behind text/grammar.h: grammar_xgrammar.cc with it, grammar_absent.cc without; the
// build takes one of the two. Each also defines Grammar::State and GrammarMatcher.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "text/grammar.h"

namespace talon::text {

// The bytes of each token; empty: never allowed.
struct GrammarVocabulary {
  std::vector<std::string> plain;   // without added tokens
  std::vector<std::string> marked;  // with added tokens that are not special
  std::vector<int32_t> end_ids;
  int32_t num_logits = 0;  // at least the size of the lists
};

class GrammarBackend {
 public:
  explicit GrammarBackend(const GrammarVocabulary& vocabulary);
  ~GrammarBackend();
  GrammarBackend(const GrammarBackend&) = delete;
  GrammarBackend& operator=(const GrammarBackend&) = delete;

  static bool is_available();

  // Of a source within the limits. One thread at a time.
  Result<Grammar> compile(const GrammarSource& source);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace talon::text
