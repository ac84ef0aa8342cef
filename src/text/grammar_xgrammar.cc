#include <xgrammar/xgrammar.h>

#include <algorithm>
#include <exception>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "base/check.h"
#include "base/printable.h"
#include "text/grammar_backend.h"

namespace talon::text {
namespace {

// A grammar's table of masks costs time that grows with its states and the vocabulary. Sources
// longer than this fill it as an answer goes along instead.
constexpr size_t kMaxEagerBytes = size_t{16} * 1024;
constexpr size_t kMaxMessageBytes = 300;
// White space in one place of a JSON text. A weak model that may write blanks without end does.
constexpr int kMaxWhitespace = 16;

// Errors of the library begin with the time and place of the check: "[12:00:00] f.cc:1: what".
std::string one_line(std::string_view what) {
  if (what.starts_with('[')) {
    const size_t place = what.find("] ");
    const size_t end = place == std::string_view::npos ? place : what.find(": ", place);
    what.remove_prefix(end == std::string_view::npos ? 0 : end + 2);
  }
  const size_t end = what.find_last_not_of(" \n");
  return printable(what.substr(0, end == std::string_view::npos ? 0 : end + 1), kMaxMessageBytes);
}

// One of the strings, as a rule.
std::string choice_rule(const std::vector<std::string>& choices) {
  std::string rule = "root ::= ";
  for (const std::string& choice : choices) {
    rule += rule.ends_with("= ") ? "\"" : " | \"";
    for (const char c : choice) {
      if (c == '\n') {
        rule += "\\n";
      } else if (c == '\r') {
        rule += "\\r";
      } else {
        rule += c == '"' || c == '\\' ? std::string{'\\', c} : std::string{c};
      }
    }
    rule += '"';
  }
  return rule;
}

xgrammar::CompiledGrammar compile_schema(xgrammar::GrammarCompiler& compiler,
                                         const std::string& schema) {
  return compiler.CompileJSONSchema(schema, /*any_whitespace=*/true, /*indent=*/std::nullopt,
                                    /*separators=*/std::nullopt, /*strict_mode=*/true,
                                    kMaxWhitespace);
}

xgrammar::TokenizerInfo tokens_of(const std::vector<std::string>& bytes,
                                  const GrammarVocabulary& vocabulary) {
  return {bytes, xgrammar::VocabType::RAW, vocabulary.num_logits, vocabulary.end_ids};
}

}  // namespace

struct Grammar::State {
  xgrammar::CompiledGrammar compiled;
  std::vector<int32_t> end_ids;
  int32_t num_logits = 0;
};

struct GrammarMatcher::State {
  xgrammar::GrammarMatcher matcher;
  std::vector<int32_t> end_ids;
  size_t num_words = 0;       // of a mask
  int32_t num_after_end = 0;  // end tokens accepted after the one that ended the grammar

  bool is_end(TokenId token) const { return std::ranges::count(end_ids, token.value) > 0; }
};

struct GrammarBackend::State {
  GrammarVocabulary vocabulary;
  xgrammar::TokenizerInfo plain;
  std::optional<xgrammar::TokenizerInfo> marked;  // made when first needed
};

GrammarBackend::GrammarBackend(const GrammarVocabulary& vocabulary)
    : state_(std::make_unique<State>(
          State{vocabulary, tokens_of(vocabulary.plain, vocabulary), std::nullopt})) {}

GrammarBackend::~GrammarBackend() = default;
bool GrammarBackend::is_available() { return true; }

Result<Grammar> GrammarBackend::compile(const GrammarSource& source) {
  const bool is_marked = source.kind == GrammarKind::kTags;
  if (is_marked && !state_->marked) {
    state_->marked = tokens_of(state_->vocabulary.marked, state_->vocabulary);
  }
  // The library reports faults of the source by exceptions; none leaves this function.
  try {
    xgrammar::GrammarCompiler compiler(is_marked ? *state_->marked : state_->plain, 1, false, -1,
                                       source.text.size() > kMaxEagerBytes);
    const auto compiled = [&] {
      switch (source.kind) {
        case GrammarKind::kJson:
          return compile_schema(compiler, R"({"type":"object"})");
        case GrammarKind::kJsonSchema:
          return compile_schema(compiler, source.text);
        case GrammarKind::kRegex:
          return compiler.CompileRegex(source.text);
        case GrammarKind::kChoice:
          return compiler.CompileGrammar(choice_rule(source.choices));
        case GrammarKind::kEbnf:
          return compiler.CompileGrammar(source.text);
        case GrammarKind::kTags:
          break;
      }
      return compiler.CompileStructuralTag(source.text);
    }();
    return Grammar(std::make_shared<const Grammar::State>(

        Grammar::State{compiled, state_->vocabulary.end_ids, state_->vocabulary.num_logits}));
  } catch (const std::exception& fault) {
    return Failure{one_line(fault.what())};
  }
}

GrammarMatcher::GrammarMatcher(const Grammar& grammar)
    : state_(std::make_unique<State>(
          State{xgrammar::GrammarMatcher(grammar.state().compiled), grammar.state().end_ids,
                static_cast<size_t>(xgrammar::GetBitmaskSize(grammar.state().num_logits)), 0})) {}

GrammarMatcher::~GrammarMatcher() = default;
GrammarMatcher::GrammarMatcher(GrammarMatcher&&) noexcept = default;
GrammarMatcher& GrammarMatcher::operator=(GrammarMatcher&&) noexcept = default;

void GrammarMatcher::fill_mask(std::span<uint32_t> mask) {
  TALON_CHECK(mask.size() == state_->num_words, "{} words, not {}", mask.size(), state_->num_words);
  std::ranges::fill(mask, 0);
  if (state_->matcher.IsTerminated()) {
    for (const int32_t id : state_->end_ids) {
      mask[static_cast<size_t>(id) / 32] |= uint32_t{1} << (id % 32);
    }
    return;
  }
  int64_t num_words = std::ssize(mask);
  DLTensor tensor{.data = mask.data(),
                  .device = {.device_type = kDLCPU, .device_id = 0},
                  .ndim = 1,
                  .dtype = xgrammar::GetBitmaskDLType(),
                  .shape = &num_words,
                  .strides = nullptr,
                  .byte_offset = 0};
  // False says that every token may come; the mask is then left as it was.
  if (!state_->matcher.FillNextTokenBitmask(&tensor)) {
    std::ranges::fill(mask, ~uint32_t{0});
  }
}

bool GrammarMatcher::accept(TokenId token) {
  if (state_->matcher.IsTerminated()) {
    state_->num_after_end += state_->is_end(token) ? 1 : 0;
    return state_->is_end(token);
  }
  return state_->matcher.AcceptToken(token.value);
}

void GrammarMatcher::rollback(int32_t count) {
  TALON_CHECK(count >= 0, "{} tokens", count);
  const int32_t after_end = std::min(count, state_->num_after_end);
  state_->num_after_end -= after_end;
  if (count > after_end) {
    state_->matcher.Rollback(count - after_end);
  }
}

}  // namespace talon::text
