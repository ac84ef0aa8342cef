#include "server/request_record.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "base/json.h"
#include "stream/spec_json.h"

namespace talon::server {
namespace {

Json or_null(const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); }

}  // namespace

std::string_view RequestRecord::phase() const {
  if (first_token_s.has_value()) {
    return "decode";
  }
  return admitted_s.has_value() ? "prefill" : "queued";
}

std::optional<double> RequestRecord::seconds_per_token() const {
  const int64_t later = usage.completion_tokens - num_choices;
  if (!first_token_s.has_value() || !last_token_s.has_value() || later <= 0) {
    return std::nullopt;
  }
  return (*last_token_s - *first_token_s) / static_cast<double>(later);
}

std::string utc_text(std::chrono::system_clock::time_point time) {
  const auto ms =
      std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(ms / 1000), ms % 1000);
}

std::string request_line(const RequestRecord& record) {
  Json reasons = Json::array();
  for (const FinishReason reason : record.finish) {
    reasons.push_back(finish_reason_name(reason));
  }
  Json line = {
      {"time", utc_text(record.time)},
      {"id", record.id},
      {"route", record.route},
      {"status", record.status},
      {"error", record.error_code.empty() ? Json(nullptr) : Json(record.error_code)},
      {"trace_id", record.trace.trace_id},
      {"stream", record.stream},
      {"num_choices", record.num_choices},
      {"seed", record.seed},
      {"prompt_tokens", record.usage.prompt_tokens},
      {"cached_tokens", record.usage.cached_tokens},
      {"completion_tokens", record.usage.completion_tokens},
      {"reasoning_tokens", record.usage.reasoning_tokens.value_or(0)},
      {"finish_reasons", reasons},
      {"queue_s", or_null(record.admitted_s)},
      {"ttft_s", or_null(record.first_token_s)},
      {"tpot_s", or_null(record.seconds_per_token())},
      {"latency_s", record.total_s},
      {"spec", record.num_speculative_tokens > 0
                   ? spec_json(record.spec, record.num_speculative_tokens)
                   : Json(nullptr)},
  };
  if (record.prompt.has_value()) {
    line["prompt"] = *record.prompt;
  }
  return line.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace talon::server
