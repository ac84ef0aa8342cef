// A cost table of any text is parsed or refused with one line that says why; one that is accepted
// answers every question with a positive time, and comes back from its own file.
#include "spec/cost_table.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const talon::Result<talon::CostTable> parsed = talon::parse_cost_table(text);
  if (!parsed.ok()) {
    TALON_CHECK(!parsed.message().empty(), "a failure without a message");
    TALON_CHECK(parsed.message().find('\n') == std::string::npos, "{}", parsed.message());
    return 0;
  }
  const talon::CostTable& table = parsed.value();
  for (const double sequences : {0.0, 1.0, 5.5, 4096.0}) {
    for (const double context : {0.0, 300.0, 1e9}) {
      for (int32_t k = 0; k <= table.max_drafts; ++k) {
        TALON_CHECK(table.at(sequences, context, k) > 0.0, "{} {} {}", sequences, context, k);
      }
    }
  }
  TALON_CHECK(talon::parse_cost_table(talon::to_json(table)).ok(), "its own file is refused");
  return 0;
}
