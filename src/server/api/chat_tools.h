// The tools of a chat request and how they may be called (spec/serving.md 2.5). Include from .cc
// files only.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "server/api/context.h"
#include "server/api/fields.h"
#include "text/grammar.h"
#include "text/tool_grammar.h"

namespace talon::server {

struct ChatTools {
  enum class Choice { kNone, kAuto, kRequired, kNamed };

  Json list = nullptr;  // as given to the template; null without tools
  std::vector<text::ToolRule> rules{};
  Choice choice = Choice::kNone;
  std::string name{};  // of kNamed
  bool may_repeat = true;

  bool may_call() const { return choice != Choice::kNone; }
  // What the answer must look like, if that is not free.
  std::optional<text::GrammarSource> grammar() const;
};

// tools, tool_choice, parallel_tool_calls.
ChatTools read_tools(Fields& fields, const ApiContext& context);

}  // namespace talon::server
