// W3C Trace Context (Recommendation, level 1): which trace a request belongs to. Values and pure
// functions, but for ids that are made.
//
// A `traceparent` that breaks the rules is as good as none: the request then starts a trace of its
// own, as the standard asks, and its `tracestate` is dropped with it.
#pragma once

#include <string>
#include <string_view>

#include "server/http_types.h"

namespace talon::server {

struct TraceContext {
  std::string trace_id{};   // 32 hexadecimal digits in lower case, not all zero
  std::string span_id{};    // 16, of the request's span here
  std::string parent_id{};  // 16, of the caller's span; empty: the trace starts here
  std::string state{};      // tracestate of the caller, passed on as it came
  bool is_sampled = true;   // the caller's wish, if there is one
};

// Of a request. Names of headers are in lower case.
TraceContext trace_context_of(const HttpHeaders& headers);

// What others would be told: 00-trace-span-flags.
std::string traceparent_of(const TraceContext& context);

// The parts of a header's value in `context`; false, and nothing changed, if it breaks the rules.
// Versions after 00 may have more parts, which nobody here knows.
bool parse_traceparent(std::string_view value, TraceContext& context);

// New ids of as many hexadecimal digits, not all zero.
std::string random_hex(size_t num_digits);

}  // namespace talon::server
