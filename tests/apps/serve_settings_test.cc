// What flags of `talon serve` mean together, and that all faults of a command line are told.
#include "apps/talon/serve_settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "apps/talon/arguments.h"
#include "support/error_message.h"

namespace talon {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<std::string> with_model(std::vector<std::string> arguments) {
  arguments.insert(arguments.end(), {"--model", "models/talon-tiny"});
  return normalised(std::move(arguments));
}

ServeSettings settings_of(const std::vector<std::string>& arguments) {
  ServeFlags flags;
  CLI::App app;
  add_serve_flags(app, flags);
  parse_arguments(app, with_model(arguments));
  return settle(flags);
}

TEST(ServeSettingsTest, NamesOfVllmAndAtomMeanTheSame) {
  const ServeSettings settings =
      settings_of({"--disable-uvicorn-access-log", "--ssl-certfile", "c", "--ssl-keyfile", "k",
                   "--enable-force-include-usage", "--max-running-requests", "7",
                   "--max-queued-requests", "9", "--queue-timeout", "1.5", "--no-ui",
                   "--stream-coalesce", "off", "--cudagraph-mode", "none"});

  EXPECT_FALSE(settings.service.access_log);
  EXPECT_EQ(settings.http.tls_cert, "c");
  EXPECT_EQ(settings.http.tls_key, "k");
  EXPECT_TRUE(settings.service.always_usage);
  EXPECT_EQ(settings.engine.max_num_seqs, 7);
  EXPECT_EQ(settings.engine.max_queue_len, 9);
  EXPECT_EQ(settings.service.generation.queue_timeout.count(), 1500);
  EXPECT_FALSE(settings.service.has_page);
  EXPECT_EQ(settings.service.coalesce.min_chars, 0);
  EXPECT_TRUE(settings.engine.enforce_eager);
  EXPECT_THAT(settings.warnings, IsEmpty());
}

TEST(ServeSettingsTest, TheServerPortIsThePublicOne) {
  const ServeSettings both = settings_of({"--port", "8006", "--server-port", "9000"});

  EXPECT_EQ(both.http.port, 9000);
  EXPECT_THAT(both.warnings, ElementsAre(HasSubstr("--port 8006")));
  EXPECT_EQ(settings_of({"--port", "1234"}).http.port, 1234);
  EXPECT_EQ(settings_of({}).http.port, 8000);
}

TEST(ServeSettingsTest, TheModelMayStandAlone) {
  ServeFlags flags;
  CLI::App app;
  add_serve_flags(app, flags);
  parse_arguments(app, {"models/talon-tiny", "--port", "1"});

  EXPECT_EQ(settle(flags).engine.model_dir, "models/talon-tiny");
  EXPECT_TRUE(settle(flags).engine.draft_model_dir.empty());
}

TEST(ServeSettingsTest, SpeculationComesAsAnObject) {
  const ServeSettings settings =
      settings_of({"--speculative-config",
                   R"({"method":"eagle3","model":"head","num_speculative_tokens":5,)"
                   R"("synthetic_acceptance_length":2.5,"draft_tensor_parallel_size":1})"});

  EXPECT_EQ(settings.engine.draft_model_dir, "head");
  EXPECT_EQ(settings.engine.num_speculative_tokens, 5);
  EXPECT_DOUBLE_EQ(settings.engine.acceptance_length, 2.5);
  for (const char* text : {R"({"method":"mtp"})", R"({"num_speculative_tokens":8})", "[]",
                           R"({"model":3})", R"({"prompt_lookup_max":3})"}) {
    EXPECT_THAT(test::error_message([&] { (void)settings_of({"--speculative-config", text}); }),
                HasSubstr("--speculative-config"))
        << text;
  }
}

TEST(ServeSettingsTest, AtomsRecipeForM3Parses) {
  const std::vector<std::string> recipe = {"-tp",
                                           "4",
                                           "--block-size",
                                           "128",
                                           "--max-model-len",
                                           "8192",
                                           "--max-num-seqs",
                                           "128",
                                           "--max-num-batched-tokens",
                                           "32768",
                                           "--gpu-memory-utilization",
                                           "0.8",
                                           "--no-enable_prefix_caching",
                                           "--trust-remote-code",
                                           "--server-port",
                                           "8000",
                                           "--hf-overrides",
                                           R"({"use_index_cache":true,"index_topk_freq":4})"};

  const std::vector<std::string> faults = serve_faults(with_model(recipe));

  // What this program does not do is told, and nothing else.
  EXPECT_THAT(faults, ElementsAre(HasSubstr("--tensor-parallel-size 4")));
}

TEST(ServeSettingsTest, EveryFaultIsTold) {
  const std::vector<std::string> faults = serve_faults(with_model(
      {"--queue-timeout", "0", "--otlp-traces-endpoint", "https://x", "--no-such-flag", "--method",
       "mtp", "--allowed-origins", "x", "--tls-cert", "c", "--api-key-file", "/none",
       "--max-num-seqs", "0", "-dp", "2", "--default-chat-template-kwargs", "3"}));

  for (const char* part : {"--queue-timeout", "--otlp-traces-endpoint", "--no-such-flag",
                           "--method", "--allowed-origins", "--tls-key", "/none", "max-num-seqs",
                           "--data-parallel-size 2", "--default-chat-template-kwargs"}) {
    EXPECT_THAT(faults, Contains(HasSubstr(part))) << part;
  }
  EXPECT_EQ(faults.size(), 10U);
}

}  // namespace
}  // namespace talon
