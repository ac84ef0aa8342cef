#include "server/trace_context.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <random>

namespace talon::server {
namespace {

constexpr size_t kTraceDigits = 32;
constexpr size_t kSpanDigits = 16;
constexpr size_t kLength = 2 + 1 + kTraceDigits + 1 + kSpanDigits + 1 + 2;
constexpr size_t kMaxStateBytes = 512;  // that must be passed on

bool is_hex(std::string_view text) {
  return std::ranges::all_of(
      text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool is_zero(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c == '0'; });
}

bool is_printable(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~'; });
}

int digit_value(char c) { return c <= '9' ? c - '0' : c - 'a' + 10; }

// Several headers of the name are one list.
std::string state_of(const HttpHeaders& headers) {
  std::string state;
  for (const auto& [name, value] : headers) {
    if (name == "tracestate" && !value.empty()) {
      state += state.empty() ? "" : ",";
      state += value;
    }
  }
  return state.size() <= kMaxStateBytes && is_printable(state) ? state : "";
}

}  // namespace

std::string random_hex(size_t num_digits) {
  static thread_local std::mt19937_64 random(std::random_device{}());
  std::string digits;
  do {
    digits.clear();
    while (digits.size() < num_digits) {
      digits += fmt::format("{:016x}", random());
    }
    digits.resize(num_digits);
  } while (is_zero(digits));
  return digits;
}

bool parse_traceparent(std::string_view value, TraceContext& context) {
  if (value.size() < kLength) {
    return false;
  }
  const std::string_view version = value.substr(0, 2);
  const std::string_view trace = value.substr(3, kTraceDigits);
  const std::string_view span = value.substr(4 + kTraceDigits, kSpanDigits);
  const std::string_view flags = value.substr(5 + kTraceDigits + kSpanDigits, 2);
  const bool has_dashes =
      value[2] == '-' && value[3 + kTraceDigits] == '-' && value[kLength - 3] == '-';
  const bool is_hex_all = is_hex(version) && is_hex(trace) && is_hex(span) && is_hex(flags);
  const bool is_whole = value.size() == kLength || (version != "00" && value[kLength] == '-');
  if (!has_dashes || !is_hex_all || !is_whole || version == "ff" || is_zero(trace) ||
      is_zero(span)) {
    return false;
  }
  context.trace_id = trace;
  context.parent_id = span;
  context.is_sampled = (digit_value(flags[1]) & 1) != 0;
  return true;
}

TraceContext trace_context_of(const HttpHeaders& headers) {
  TraceContext context;
  const auto is_parent = [](const auto& header) { return header.first == "traceparent"; };
  const auto found = std::ranges::find_if(headers, is_parent);
  const bool is_one = std::ranges::count_if(headers, is_parent) == 1;
  if (is_one && parse_traceparent(found->second, context)) {
    context.state = state_of(headers);
  } else {
    context.trace_id = random_hex(kTraceDigits);
  }
  context.span_id = random_hex(kSpanDigits);
  return context;
}

std::string traceparent_of(const TraceContext& context) {
  return fmt::format("00-{}-{}-{}", context.trace_id, context.span_id,
                     context.is_sampled ? "01" : "00");
}

}  // namespace talon::server
