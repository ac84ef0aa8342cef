#include "text/tool_grammar.h"

#include <utility>

#include "base/json.h"

namespace talon::text {
namespace {

constexpr const char* kMarker = "]<]minimax[>[";

// Blanks between two elements: the template writes none, and a weak model writes no end of them.
constexpr int kMaxWhitespace = 2;

Json tag(const std::string& begin, Json content, const std::string& end) {
  return {{"type", "tag"}, {"begin", begin}, {"content", std::move(content)}, {"end", end}};
}

Json arguments_of(const ToolRule& tool) {
  if (!tool.is_strict) {
    return {{"type", "any_text"}};
  }
  const Result<Json> schema = parse_json(tool.parameters);
  // What is not JSON is no schema either, and is refused as such.
  return {{"type", "json_schema"},
          {"json_schema", schema.ok() ? schema.value() : Json(tool.parameters)},
          {"style", "minimax_m3_xml"},
          {"max_whitespace_cnt", kMaxWhitespace}};
}

}  // namespace

GrammarSource tool_call_grammar(std::span<const ToolRule> tools,
                                const ToolGrammarOptions& options) {
  const std::string marker = kMarker;
  Json calls = Json::array();
  for (const ToolRule& tool : tools) {
    calls.push_back(tag(marker + "<invoke name=\"" + tool.name + "\">", arguments_of(tool),
                        marker + "</invoke>\n"));
  }
  const Json block = tag(marker + "<tool_call>\n",
                         {{"type", "tags_with_separator"},
                          {"tags", std::move(calls)},
                          {"separator", ""},
                          {"at_least_one", true},
                          {"stop_after_first", !options.may_repeat}},
                         marker + "</tool_call>");
  const Json answer = options.must_call ? block
                                        : Json{{"type", "triggered_tags"},
                                               {"triggers", {marker + "<tool_call>"}},
                                               {"tags", {block}},
                                               {"stop_after_first", true}};
  const Json whole = {{"type", "structural_tag"}, {"format", answer}};
  return {.kind = GrammarKind::kTags, .text = whole.dump()};
}

}  // namespace talon::text
