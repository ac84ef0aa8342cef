// A program without xgrammar: nothing compiles, so there is never a matcher.
#include "base/check.h"
#include "text/grammar_backend.h"

namespace talon::text {

struct Grammar::State {};
struct GrammarMatcher::State {};
struct GrammarBackend::State {};

GrammarBackend::GrammarBackend(const GrammarVocabulary&) {}
GrammarBackend::~GrammarBackend() = default;
bool GrammarBackend::is_available() { return false; }

Result<Grammar> GrammarBackend::compile(const GrammarSource&) {
  return Failure{"structured outputs need the build option TALON_XGRAMMAR"};
}

GrammarMatcher::GrammarMatcher(const Grammar&) { TALON_CHECK(false, "no grammar exists"); }
GrammarMatcher::~GrammarMatcher() = default;
GrammarMatcher::GrammarMatcher(GrammarMatcher&&) noexcept = default;
GrammarMatcher& GrammarMatcher::operator=(GrammarMatcher&&) noexcept = default;
void GrammarMatcher::fill_mask(std::span<uint32_t>) {}
bool GrammarMatcher::accept(TokenId) { return false; }
void GrammarMatcher::rollback(int32_t) {}

}  // namespace talon::text
