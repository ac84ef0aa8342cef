// A trace of any text: each line is parsed or refused with one line of message, and what is
// accepted is written and read back as it was.
#include "engine/step_trace.h"

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"

namespace {

constexpr talon::StepBounds kBounds{.num_pages = 100,
                                    .context_limit = 1000,
                                    .vocab_size = 500,
                                    .max_sequences = 8,
                                    .max_rows = 64,
                                    .max_logit_rows = 64,
                                    .max_drafts = 7,
                                    .has_drafter = true};

template <class T>
bool accepted(const talon::Result<T>& result) {
  if (!result.ok()) {
    TALON_CHECK(!result.message().empty(), "a failure without a message");
    TALON_CHECK(result.message().find('\n') == std::string::npos, "{}", result.message());
  }
  return result.ok();
}

void take_line(std::string_view line, talon::StepBounds& bounds) {
  if (const auto parsed = talon::parse_bounds(line); accepted(parsed)) {
    bounds = parsed.value();
    TALON_CHECK(talon::parse_bounds(talon::to_json_line(bounds)).ok(), "bounds do not come back");
  }
  if (const auto plan = talon::parse_plan(line, bounds); accepted(plan)) {
    const std::string again = talon::to_json_line(plan.value());
    const auto second = talon::parse_plan(again, bounds);
    TALON_CHECK(second.ok() && talon::to_json_line(second.value()) == again, "{}", again);
  }
  if (const auto result = talon::parse_result(line, bounds); accepted(result)) {
    const std::string again = talon::to_json_line(result.value());
    const auto second = talon::parse_result(again, bounds);
    TALON_CHECK(second.ok() && talon::to_json_line(second.value()) == again, "{}", again);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  talon::StepBounds bounds = kBounds;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    take_line(text.substr(0, end), bounds);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return 0;
}
