#include "server/constraints.h"

#include <memory>
#include <utility>

#include "base/result.h"
#include "stream/bad_words_constraint.h"
#include "stream/grammar_constraint.h"
#include "text/bad_words.h"

namespace talon::server {

Constraints::Constraints(const LocalModel& model,
                         int32_t vocab_size,
                         const text::GrammarLimits& limits)
    : model_(model) {
  if (text::GrammarCompiler::is_available()) {
    grammars_.emplace(*model.tokenizer, vocab_size, model.end_token_ids, limits);
  }
}

std::optional<ApiError> Constraints::apply(const GenerationCall& call,
                                           std::vector<Request>& requests) {
  std::optional<text::Grammar> grammar;
  if (call.grammar.has_value()) {
    Result<text::Grammar> compiled = grammars_->compile(*call.grammar);
    if (!compiled.ok()) {
      return bad_request("invalid_schema", "", compiled.message());
    }
    grammar = std::move(compiled).value();
  }
  std::shared_ptr<const text::BadWords> words;
  if (!call.bad_words.empty()) {
    if (!tokens_.has_value()) {
      tokens_.emplace(*model_.tokenizer);
    }
    words =
        std::make_shared<text::BadWords>(*tokens_, call.bad_words, call.output.skip_special_tokens);
  }
  if (!grammar.has_value() && words == nullptr) {
    return std::nullopt;
  }
  for (Request& request : requests) {
    request.constraints.reserve(static_cast<size_t>(request.num_choices));
    for (int32_t i = 0; i < request.num_choices; ++i) {
      std::shared_ptr<TokenConstraint> constraint;
      if (grammar.has_value()) {
        constraint = std::make_shared<GrammarConstraint>(*grammar, call.reasoning_before,
                                                         model_.end_token_ids);
      }
      if (words != nullptr) {
        constraint = std::make_shared<BadWordsConstraint>(words, std::move(constraint),
                                                          model_.end_token_ids);
      }
      request.constraints.push_back(std::move(constraint));
    }
  }
  return std::nullopt;
}

}  // namespace talon::server
