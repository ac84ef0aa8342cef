// Flags of other servers: which are taken without effect, and which are refused by name.
#include "apps/talon/compat_flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "apps/talon/arguments.h"

namespace talon {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

CompatFlags parse(const std::vector<std::string>& arguments) {
  CompatFlags flags;
  CLI::App app;
  add_compat_flags(app, flags);
  parse_arguments(app, normalised(arguments));
  return flags;
}

TEST(CompatFlagsTest, WhatIsSoAnywayIsQuiet) {
  const CompatFlags flags = parse({"-tp", "1", "--block_size", "128", "--trust-remote-code",
                                   "--scheduler-delay-factor=0.0", "--enable_chunked_prefill"});

  EXPECT_THAT(compat_faults(flags), IsEmpty());
  EXPECT_THAT(compat_warnings(flags), IsEmpty());
}

TEST(CompatFlagsTest, WhatHasNoEffectIsSaid) {
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{"-pp", "1"},
                                             {"-dp", "1"},
                                             {"-pcp", "1"},
                                             {"-dcp=1"},
                                             {"--level", "3"},
                                             {"--enable-tbo"},
                                             {"--all2all-backend", "x"},
                                             {"--moe-backend", "x"},
                                             {"--mark-trace"},
                                             {"--attn-prefill-chunk-size", "16384"},
                                             {"--state-checkpoint-interval-tokens", "0"},
                                             {"--cudagraph-capture-sizes", "1", "2", "4"}}) {
    const CompatFlags flags = parse(arguments);
    EXPECT_THAT(compat_faults(flags), IsEmpty()) << arguments.front();
    EXPECT_THAT(compat_warnings(flags), ElementsAre(HasSubstr("no effect"))) << arguments.front();
  }
}

TEST(CompatFlagsTest, WhatWouldChangeTheModelIsRefusedByName) {
  for (const auto& [arguments, name] :
       std::vector<std::pair<std::vector<std::string>, std::string>>{
           {{"-tp", "4"}, "--tensor-parallel-size 4"},
           {{"-pp", "2"}, "--pipeline-parallel-size 2"},
           {{"-dp=2"}, "--data-parallel-size 2"},
           {{"-pcp", "2"}, "--prefill-context-parallel-size 2"},
           {{"-dcp", "2"}, "--decode-context-parallel-size 2"},
           {{"--block-size", "16"}, "--block-size 16"},
           {{"--enable-dp-attention"}, "--enable-dp-attention"},
           {{"--enable-eplb"}, "--enable-eplb"},
           {{"--eplb-config", "{}"}, "--eplb-config"},
           {{"--dspark-config", "{}"}, "--dspark-config"},
           {{"--load-dummy", "xavier"}, "--load-dummy"},
           {{"--no-enable-chunked-prefill"}, "--no-enable-chunked-prefill"}}) {
    EXPECT_THAT(compat_faults(parse(arguments)), ElementsAre(HasSubstr(name)));
  }
}

}  // namespace
}  // namespace talon
