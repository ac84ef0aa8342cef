// What is known of a request that generates once its answer is over, for the request log, metrics
// and traces. A value; filled on the io thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/request.h"
#include "engine/spec_stats.h"
#include "server/api/answer.h"
#include "server/trace_context.h"

namespace talon::server {

struct RequestRecord {
  std::string id{};
  std::string route{};
  int status = 0;            // 499: the client left
  std::string error_code{};  // empty: none; also of streams that failed under status 200
  bool stream = false;
  int32_t num_choices = 0;  // of all prompts; 0: the engine never saw it
  int64_t seed = 0;

  std::chrono::system_clock::time_point time{};  // arrival: its body was there
  // Since then, in seconds; absent if it did not come so far.
  std::optional<double> admitted_s{};  // the first choice got a slot
  std::optional<double> first_token_s{};
  std::optional<double> last_token_s{};
  double total_s = 0.0;  // to the end of the answer

  UsageCounts usage{};
  std::vector<FinishReason> finish{};  // of the choices that ended, in that order
  SpecStats spec{};                    // of these choices
  int32_t num_speculative_tokens = 0;  // K
  TraceContext trace{};
  std::optional<std::string> prompt{};  // if prompts are logged: all of them, joined by newlines

  // How far it came: "queued", "prefill" or "decode".
  std::string_view phase() const;
  // Per token after the first of each choice; absent if there is none.
  std::optional<double> seconds_per_token() const;
};

// One JSON object, without a line break at its end. All text is valid UTF-8.
std::string request_line(const RequestRecord& record);

// 2026-01-31T23:59:59.123Z
std::string utc_text(std::chrono::system_clock::time_point time);

}  // namespace talon::server
