// What limits the tokens of an answer: the grammar and the bad words of a request, made into the
// engine's constraints. Used from the worker's thread, because grammars and words take their time.
#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <vector>

#include "engine/request.h"
#include "server/api/error.h"
#include "server/api/generation_call.h"
#include "stream/local_model.h"
#include "text/grammar.h"
#include "text/sorted_tokens.h"

namespace talon::server {

class Constraints {
 public:
  // The model must outlive it.
  Constraints(const LocalModel& model, int32_t vocab_size, const text::GrammarLimits& limits);

  // Whether this program can compile grammars.
  bool has_grammars() const { return grammars_.has_value(); }

  // Gives each choice of each request its constraint, if the call asks for any; or says what is
  // wrong with the grammar.
  std::optional<ApiError> apply(const GenerationCall& call, std::vector<Request>& requests);

 private:
  const LocalModel& model_;
  std::optional<text::GrammarCompiler> grammars_;
  std::optional<text::SortedTokens> tokens_;  // made when the first request has bad words
};

}  // namespace talon::server
