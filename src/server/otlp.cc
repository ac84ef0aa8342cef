#include "server/otlp.h"

#include <chrono>
#include <cstdint>
#include <optional>

#include "base/json.h"

namespace talon::server {
namespace {

constexpr int kServerSpan = 2;
constexpr int kInternalSpan = 1;
constexpr int kErrorStatus = 2;
constexpr size_t kSpanDigits = 16;

Json text_attribute(const char* key, std::string_view value) {
  return {{"key", key}, {"value", {{"stringValue", value}}}};
}
// 64-bit integers are strings in this JSON.
Json int_attribute(const char* key, int64_t value) {
  return {{"key", key}, {"value", {{"intValue", std::to_string(value)}}}};
}
Json real_attribute(const char* key, double value) {
  return {{"key", key}, {"value", {{"doubleValue", value}}}};
}

std::string nanoseconds(const RequestRecord& record, double offset_s) {
  const auto start =
      std::chrono::duration_cast<std::chrono::nanoseconds>(record.time.time_since_epoch());
  return std::to_string(start.count() + static_cast<int64_t>(offset_s * 1e9));
}

Json attributes_of(const RequestRecord& record, std::string_view model) {
  Json out = Json::array();
  out.push_back(text_attribute("http.route", record.route));
  out.push_back(int_attribute("http.response.status_code", record.status));
  out.push_back(text_attribute("gen_ai.request.model", model));
  out.push_back(text_attribute("talon.request_id", record.id));
  out.push_back(int_attribute("gen_ai.usage.input_tokens", record.usage.prompt_tokens));
  out.push_back(int_attribute("gen_ai.usage.output_tokens", record.usage.completion_tokens));
  out.push_back(int_attribute("talon.cached_tokens", record.usage.cached_tokens));
  out.push_back(int_attribute("talon.num_choices", record.num_choices));
  if (!record.finish.empty()) {
    out.push_back(text_attribute("talon.finish_reason", finish_reason_name(record.finish.front())));
  }
  if (!record.error_code.empty()) {
    out.push_back(text_attribute("error.type", record.error_code));
  }
  if (record.num_speculative_tokens > 0) {
    out.push_back(int_attribute("talon.spec.rounds", record.spec.rounds));
    out.push_back(int_attribute("talon.spec.drafted", record.spec.drafted));
    out.push_back(int_attribute("talon.spec.accepted", record.spec.accepted));
    out.push_back(real_attribute("talon.spec.acceptance_rate", record.spec.acceptance_rate()));
  }
  return out;
}

Json request_span(const RequestRecord& record, std::string_view model) {
  Json span = {{"traceId", record.trace.trace_id},
               {"spanId", record.trace.span_id},
               {"name", record.route},
               {"kind", kServerSpan},
               {"startTimeUnixNano", nanoseconds(record, 0.0)},
               {"endTimeUnixNano", nanoseconds(record, record.total_s)},
               {"attributes", attributes_of(record, model)}};
  if (!record.trace.parent_id.empty()) {
    span["parentSpanId"] = record.trace.parent_id;
  }
  if (!record.trace.state.empty()) {
    span["traceState"] = record.trace.state;
  }
  // A fault of the client's is none of this span, by OpenTelemetry's conventions for servers.
  const bool is_own_fault =
      record.status >= 500 || (record.status == 200 && !record.error_code.empty());
  if (is_own_fault) {
    span["status"] = {{"code", kErrorStatus}, {"message", record.error_code}};
  }
  return span;
}

void add_phase(const RequestRecord& record,
               const char* name,
               double begin_s,
               const std::optional<double>& end_s,
               Json& spans) {
  if (!end_s.has_value()) {
    return;
  }
  spans.push_back({{"traceId", record.trace.trace_id},
                   {"spanId", random_hex(kSpanDigits)},
                   {"parentSpanId", record.trace.span_id},
                   {"name", name},
                   {"kind", kInternalSpan},
                   {"startTimeUnixNano", nanoseconds(record, begin_s)},
                   {"endTimeUnixNano", nanoseconds(record, *end_s)}});
}

}  // namespace

std::string otlp_body(std::span<const std::shared_ptr<const RequestRecord>> records,
                      std::string_view model,
                      std::string_view version) {
  Json spans = Json::array();
  for (const std::shared_ptr<const RequestRecord>& one : records) {
    const RequestRecord& record = *one;
    spans.push_back(request_span(record, model));
    add_phase(record, "queue", 0.0, record.admitted_s, spans);
    add_phase(record, "prefill", record.admitted_s.value_or(0.0), record.first_token_s, spans);
    add_phase(record, "decode", record.first_token_s.value_or(0.0), record.last_token_s, spans);
  }
  const Json body = {
      {"resourceSpans",
       Json::array(
           {{{"resource", {{"attributes", Json::array({text_attribute("service.name", "talon")})}}},
             {"scopeSpans",
              Json::array({{{"scope", {{"name", "talon.server"}, {"version", version}}},
                            {"spans", spans}}})}}})}};
  return body.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace talon::server
