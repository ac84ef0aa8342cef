// Finds the tool calls in the output of MiniMax-M3, as it comes.
//
// The wire form puts a marker token (NS) before each tag:
//
//   NS<tool_call> NS<invoke name="f"> NS<p>value NS</p> NS</invoke> NS</tool_call>
//
// Values are elements (text/tool_argument.h); a list has <item> children. Text before the block is
// content, text after it is dropped. Total: every sequence of tokens has a result, nothing is ever
// an error, and what the deltas add up to does not depend on how the text was cut into pieces.
//
// Markers may be missing. Between parameters tags count with and without one. In a value, where
// text may look like tags, a tag needs a marker if the parameter's own tag had one; the closing tag
// of the parameter counts without one too if a tag with a marker follows it. An output that ends in
// the middle of a call gets that call's arguments completed to valid JSON. One sequence, one
// thread.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "text/jinja/value.h"
#include "text/tool_argument.h"
#include "text/tool_schema.h"
#include "text/tool_tags.h"

namespace talon::text {

struct ToolTokens {
  TokenId marker{-1};
  TokenId open{-1};
  TokenId close{-1};
  std::string marker_text = "]<]minimax[>[";
  std::string open_text = "<tool_call>";
  std::string close_text = "</tool_call>";
  // The marker's text counts whatever tokens it is made of, and so does that of a block's tag
  // behind it. For answers under the grammar of calls, where nothing else may spell them: a model
  // that calls because it must may write them in letters.
  bool may_be_spelled = false;
};

// What a piece adds to one call. `name` is there once, in the call's first delta. The arguments of
// all its deltas are one JSON object; texts come as they grow, other values when they are complete.
struct ToolCallDelta {
  int32_t index = 0;
  std::string name = {};
  std::string arguments = {};
};

struct ToolCallOutput {
  std::string content = {};
  std::vector<ToolCallDelta> calls = {};
};

class ToolCallParser {
 public:
  ToolCallParser(ToolTokens tokens, ToolSchemas schemas);

  // A token of the answer, with the text that it adds. For a marker or tag token that is its text,
  // after what the detokenizer had held back.
  ToolCallOutput push(TokenId id, std::string_view text);
  ToolCallOutput finish();

  int32_t num_calls() const { return num_calls_; }
  bool in_call() const { return state_ == State::kInvoke || state_ == State::kValue; }
  // Whether the output ended within a call. After finish().
  bool is_truncated() const { return is_truncated_; }

 private:
  enum class State {
    kContent,
    kBlock,   // between calls
    kInvoke,  // between the parameters of a call
    kTail,    // in a call, after text that no parameter has: the rest of the call is dropped
    kValue,
    kAfter,  // after the block
  };

  // Each takes something off the front of the input; false if what is there could still become
  // something else with more text.
  bool step();
  bool step_content();
  bool step_block();
  bool step_invoke();
  bool step_tail();
  bool step_value();
  bool step_marked_value();
  bool step_plain_value();
  bool step_child(const ToolTag& tag);
  bool step_after();

  void add_text(std::string_view text);
  void settle_spelled();
  void take_text(size_t num_bytes);
  void take(size_t num_bytes) { input_.erase(0, num_bytes); }
  ToolTag tag_at(size_t offset) const { return read_tool_tag(input_, offset, is_final_); }
  bool ends_value(const ToolTag& tag) const;
  bool closes_unmarked(size_t offset, bool& needs_more) const;

  void begin_call(const ToolTag& tag);
  void end_call();
  void begin_value(const ToolTag& tag, bool marked);
  void end_value();
  void emit(std::string_view arguments);

  ToolTokens tokens_;
  ToolSchemas schemas_;
  State state_ = State::kContent;
  std::string input_;  // not settled yet; tokens stand in it as the bytes of text/tool_tags.h
  std::string held_;   // of spelled answers: what may still become a marker
  bool is_final_ = false;
  bool is_truncated_ = false;
  ToolCallOutput output_;

  int32_t num_calls_ = 0;
  Value parameters_;                       // schema of the present call
  std::set<std::string> seen_;             // its parameters so far
  bool marked_ = false;                    // the present value's tag had a marker
  bool is_text_ = false;                   // the present value is streamed
  bool is_dropped_ = false;                // the present value repeats a parameter
  std::vector<ArgumentElement> elements_;  // the present value and its open children
};

}  // namespace talon::text
