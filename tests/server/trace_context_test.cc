// Which headers of W3C Trace Context are taken, and what becomes of the others.
#include "server/trace_context.h"

#include <gtest/gtest.h>

#include <string>

namespace talon::server {
namespace {

constexpr const char* kTrace = "0af7651916cd43dd8448eb211c80319c";
constexpr const char* kSpan = "b7ad6b7169203331";

std::string header(const std::string& version, const std::string& flags) {
  return version + "-" + kTrace + "-" + kSpan + "-" + flags;
}

TEST(TraceContextTest, ATraceGoesOn) {
  const TraceContext context = trace_context_of(
      {{"traceparent", header("00", "01")}, {"tracestate", "a=1"}, {"tracestate", "b=2"}});

  EXPECT_EQ(context.trace_id, kTrace);
  EXPECT_EQ(context.parent_id, kSpan);
  EXPECT_EQ(context.state, "a=1,b=2");
  EXPECT_TRUE(context.is_sampled);
  EXPECT_EQ(context.span_id.size(), 16U);
  EXPECT_NE(context.span_id, kSpan);
  EXPECT_EQ(traceparent_of(context), "00-" + std::string(kTrace) + "-" + context.span_id + "-01");
}

TEST(TraceContextTest, TheCallerMayNotWantItSampled) {
  EXPECT_FALSE(trace_context_of({{"traceparent", header("00", "02")}}).is_sampled);
  EXPECT_TRUE(trace_context_of({{"traceparent", header("00", "ff")}}).is_sampled);
}

TEST(TraceContextTest, LaterVersionsMayHaveMore) {
  TraceContext context;
  EXPECT_TRUE(parse_traceparent(header("01", "01"), context));
  EXPECT_TRUE(parse_traceparent(header("cc", "01") + "-what-comes", context));
  EXPECT_FALSE(parse_traceparent(header("cc", "01") + ".what", context));
  EXPECT_FALSE(parse_traceparent(header("00", "01") + "-what", context));
}

TEST(TraceContextTest, WhatBreaksTheRulesStartsANewTrace) {
  const std::string good = header("00", "01");
  std::string upper = good;
  upper[5] = 'A';
  std::string zero_trace = good;
  zero_trace.replace(3, 32, std::string(32, '0'));
  std::string zero_span = good;
  zero_span.replace(36, 16, std::string(16, '0'));
  for (const std::string& value :
       {std::string(), good.substr(1), header("ff", "01"), upper, zero_trace, zero_span,
        header("00", "0x"), "00_" + good.substr(3), good + " "}) {
    const TraceContext context = trace_context_of({{"traceparent", value}, {"tracestate", "a=1"}});
    EXPECT_NE(context.trace_id, kTrace) << value;
    EXPECT_EQ(context.trace_id.size(), 32U);
    EXPECT_TRUE(context.parent_id.empty()) << value;
    EXPECT_TRUE(context.state.empty()) << value;
  }
  const TraceContext twice = trace_context_of({{"traceparent", good}, {"traceparent", good}});
  EXPECT_TRUE(twice.parent_id.empty());
}

TEST(TraceContextTest, AStateThatIsTooLongIsDropped) {
  const TraceContext context = trace_context_of(
      {{"traceparent", header("00", "01")}, {"tracestate", "a=" + std::string(600, 'x')}});

  EXPECT_EQ(context.trace_id, kTrace);
  EXPECT_TRUE(context.state.empty());
}

TEST(TraceContextTest, IdsDiffer) {
  EXPECT_NE(random_hex(32), random_hex(32));
  EXPECT_EQ(random_hex(5).size(), 5U);
}

}  // namespace
}  // namespace talon::server
