// The template engine on any template, with a small conversation as its variables and low limits:
// a text or a message, in bounded time, and the same each time.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/json.h"
#include "text/jinja/json_value.h"
#include "text/jinja/template.h"

namespace {

constexpr talon::text::RenderLimits kLimits = {
    .max_steps = 20'000, .max_output_bytes = 1 << 16, .max_built_bytes = 1 << 22, .max_depth = 300};

constexpr const char* kVariables = R"({
    "messages": [{"role": "user", "content": "H\u00e9llo <b> 'x' \"y\""},
                 {"role": "assistant", "content": null, "tool_calls": [
                     {"function": {"name": "f", "arguments": {"a": [1, 2.5, true, null]}}}]}],
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}],
    "s": "one two", "l": [3, 1, 2], "d": {"b": 1, "a": {"c": "x"}}, "i": 7, "f": 2.5,
    "add_generation_prompt": true})";

const talon::text::Dict& variables() {
  static const talon::text::Value value =
      talon::text::value_of_json(talon::parse_json(kVariables).value());
  return value.as_dict();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view source(reinterpret_cast<const char*>(data), size);
  const auto parsed = talon::text::Template::parse("fuzz", source);
  if (!parsed.ok()) {
    TALON_CHECK(parsed.message().starts_with("fuzz:"), "{}", parsed.message());
    return 0;
  }
  const auto first = parsed.value().render(variables(), {.limits = kLimits});
  const auto second = parsed.value().render(variables(), {.limits = kLimits});
  TALON_CHECK(first.ok() == second.ok(), "a second rendering differs");
  if (!first.ok()) {
    TALON_CHECK(first.message().starts_with("fuzz:"), "{}", first.message());
    return 0;
  }
  TALON_CHECK(first.value().size() <= size_t{1} << 16, "the output is beyond its limit");
  return 0;
}
