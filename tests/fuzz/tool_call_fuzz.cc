// The tool-call parser on any tokens. The input is text in which bytes 1, 2 and 3 stand for the
// marker, <tool_call> and </tool_call>. Fed whole and byte by byte it must give the same content
// and calls, and every call's arguments are JSON.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "base/json.h"
#include "base/utf8.h"
#include "text/jinja/json_value.h"
#include "text/tool_call_parser.h"

namespace {

using talon::TokenId;
using talon::text::ToolCallDelta;
using talon::text::ToolCallOutput;
using talon::text::ToolCallParser;

constexpr size_t kMaxInput = 4096;
constexpr TokenId kText{9};

constexpr const char* kTools = R"([{"name": "f", "parameters": {"properties": {
    "s": {"type": "string"}, "i": {"type": "integer"}, "o": {"type": "object"},
    "a": {"type": "array", "items": {"type": "number"}}, "u": {"type": ["string", "null"]}}}}])";

struct Result {
  std::string content;
  std::string calls;
};

class Run {
 public:
  Run()
      : parser_({.marker = TokenId{1}, .open = TokenId{2}, .close = TokenId{3}},
                talon::text::ToolSchemas(
                    talon::text::value_of_json(talon::parse_json(kTools).value()))) {}

  void push(TokenId id, std::string_view text) { add(parser_.push(id, text)); }

  Result finish() {
    add(parser_.finish());
    Result out = {.content = content_, .calls = {}};
    for (size_t i = 0; i < names_.size(); ++i) {
      // Nesting beyond what is read again is none of the parser's making.
      const auto parsed = talon::parse_json(arguments_[i], {.max_depth = 200});
      TALON_CHECK(parsed.ok(), "{}: {}", parsed.message(), arguments_[i]);
      out.calls += names_[i] + arguments_[i];
    }
    return out;
  }

 private:
  void add(const ToolCallOutput& output) {
    content_ += output.content;
    for (const ToolCallDelta& delta : output.calls) {
      if (!delta.name.empty()) {
        names_.push_back(delta.name);
        arguments_.emplace_back();
      }
      TALON_CHECK(delta.index + 1 == static_cast<int32_t>(names_.size()), "a call out of order");
      arguments_.back() += delta.arguments;
    }
  }

  ToolCallParser parser_;
  std::string content_;
  std::vector<std::string> names_;
  std::vector<std::string> arguments_;
};

bool is_special(char c) { return c >= 1 && c <= 3; }

Result run(std::string_view input, bool by_byte) {
  Run run;
  while (!input.empty()) {
    if (is_special(input[0])) {
      run.push(TokenId{input[0]}, "");
      input.remove_prefix(1);
      continue;
    }
    size_t size = 1;
    while (!by_byte && size < input.size() && !is_special(input[size])) {
      ++size;
    }
    run.push(kText, input.substr(0, size));
    input.remove_prefix(size);
  }
  return run.finish();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string input = talon::to_valid_utf8(
      std::string_view(reinterpret_cast<const char*>(data), std::min(size, kMaxInput)));
  const Result whole = run(input, false);
  const Result cut = run(input, true);
  TALON_CHECK(whole.content == cut.content, "content depends on the cuts");
  TALON_CHECK(whole.calls == cut.calls, "{} against {}", whole.calls, cut.calls);
  return 0;
}
