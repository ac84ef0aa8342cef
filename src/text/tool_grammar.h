// The grammar of answers that call tools, in M3's wire form (text/tool_call_parser.h): a block with
// calls of declared functions. Pure function.
#pragma once

#include <span>
#include <string>

#include "text/grammar.h"

namespace talon::text {

struct ToolRule {
  std::string name;          // letters, digits, '_', '-', '.'
  std::string parameters{};  // a JSON schema; used if strict
  bool is_strict = false;    // arguments fit the schema; else they are any text
};

struct ToolGrammarOptions {
  bool must_call =
      true;  // the answer is a block of calls; else it may be text, or text and a block
  bool may_repeat = true;  // several calls in the block
};

// Strict parameters that are not JSON, or that the wire form cannot carry (names known only at run
// time, string patterns), are found when the source is compiled.
GrammarSource tool_call_grammar(std::span<const ToolRule> tools, const ToolGrammarOptions& options);

}  // namespace talon::text
