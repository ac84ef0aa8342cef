// Batches that reach a collector, and what is counted when they do not.
#include "server/otlp_exporter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <thread>

#include "base/json.h"
#include "support/error_message.h"
#include "support/http_sink.h"

namespace talon::server {
namespace {

std::shared_ptr<const RequestRecord> record() {
  return std::make_shared<const RequestRecord>(
      RequestRecord{.route = "/v1/completions", .status = 200});
}

OtlpOptions to(const test::HttpSink& sink) {
  return {.url = otlp_url(sink.address()), .model = "m", .version = "1"};
}

template <class Condition>
bool eventually(Condition condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!condition() && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::yield();
  }
  return condition();
}

TEST(OtlpExporterTest, RequestsGoOutInBatches) {
  test::HttpSink sink;
  {
    OtlpOptions options = to(sink);
    options.max_batch = 4;
    OtlpExporter exporter(options);
    for (int i = 0; i < 10; ++i) {
      exporter.add(record());
    }
    EXPECT_TRUE(eventually([&] { return exporter.num_exported() == 10; }));
    EXPECT_EQ(exporter.num_dropped(), 0);
  }

  EXPECT_EQ(sink.last_path(), "/v1/traces");
  size_t num_spans = 0;
  for (const std::string& body : sink.bodies()) {
    const Json sent = parse_json(body).value();
    const size_t count = sent.at("resourceSpans").at(0).at("scopeSpans").at(0).at("spans").size();
    EXPECT_LE(count, 4U);
    num_spans += count;
  }
  EXPECT_EQ(num_spans, 10U);
}

TEST(OtlpExporterTest, WhatWaitsAtTheEndIsSent) {
  test::HttpSink sink;
  {
    OtlpExporter exporter(to(sink));
    exporter.add(record());
  }
  EXPECT_EQ(sink.bodies().size(), 1U);
}

TEST(OtlpExporterTest, ACollectorThatHangsOrRefusesCostsOnlyTraces) {
  test::HttpSink silent(0);
  OtlpOptions options = to(silent);
  options.timeout = std::chrono::milliseconds(20);
  options.max_delay = std::chrono::milliseconds(1);
  OtlpExporter hangs(options);
  hangs.add(record());
  EXPECT_TRUE(eventually([&] { return hangs.num_dropped() == 1; }));

  test::HttpSink refusing(500);
  OtlpExporter refused(to(refusing));
  refused.add(record());
  EXPECT_TRUE(eventually([&] { return refused.num_dropped() == 1; }));
  EXPECT_EQ(refused.num_exported(), 0);
}

TEST(OtlpExporterTest, AFullQueueDropsAndCounts) {
  test::HttpSink sink;
  OtlpOptions options = to(sink);
  options.max_requests = 0;
  OtlpExporter exporter(options);

  exporter.add(record());

  EXPECT_EQ(exporter.num_dropped(), 1);
}

TEST(OtlpExporterTest, AddressesAreChecked) {
  EXPECT_EQ(otlp_url("http://a:4318").path, "/v1/traces");
  EXPECT_EQ(otlp_url("http://a:4318/own").path, "/own");
  EXPECT_THAT(test::error_message([] { (void)otlp_url("grpc://a:4317"); }),
              testing::HasSubstr("--otlp-traces-endpoint grpc://a:4317"));
}

}  // namespace
}  // namespace talon::server
