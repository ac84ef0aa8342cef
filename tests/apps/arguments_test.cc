// Command lines as users of other servers write them, files of settings, and all faults at once.
#include "apps/talon/arguments.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <fstream>
#include <string>
#include <vector>

#include "base/error.h"
#include "support/error_message.h"
#include "support/temp_dir.h"

namespace talon {
namespace {

using Arguments = std::vector<std::string>;
using testing::ElementsAre;
using testing::HasSubstr;

struct Flags {
  int32_t port = 1;
  bool page = true;
  Arguments keys;
  std::string form;
};

void add_flags(CLI::App& app, Flags& flags) {
  app.add_option("--config", flags.form);
  app.add_option("--port,--server-port", flags.port);
  app.add_flag("--page,!--no-page", flags.page);
  app.add_option("--key", flags.keys);
  app.add_option("--form", flags.form);
}

class ConfigTest : public testing::Test {
 protected:
  ConfigTest() { add_flags(app_, flags_); }

  std::string write(const std::string& text) {
    std::ofstream(dir_ / "flags.json") << text;
    return (dir_ / "flags.json").string();
  }
  void parse(const std::string& text, Arguments arguments) {
    arguments.insert(arguments.end(), {"--config", write(text)});
    parse_arguments(app_, with_config(app_, arguments));
  }

  test::TempDir dir_;
  CLI::App app_;
  Flags flags_;
};

TEST(ArgumentsTest, WordsAreJoinedByEitherMark) {
  EXPECT_THAT(normalised({"serve", "--kv_cache_bytes=a_b", "--max-num_seqs", "c_d", "-tp", "4"}),
              ElementsAre("serve", "--kv-cache-bytes=a_b", "--max-num-seqs", "c_d",
                          "--tensor-parallel-size", "4"));
}

TEST(ArgumentsTest, FlagsOfOneFamilyAreTakenOut) {
  Arguments arguments = {"--a", "1", "--uvicorn-log-level", "info", "--b", "--uvicorn-x=2"};

  EXPECT_THAT(take_out(arguments, "--uvicorn-"), ElementsAre("--uvicorn-log-level", "--uvicorn-x"));
  EXPECT_THAT(arguments, ElementsAre("--a", "1", "--b"));
}

TEST_F(ConfigTest, TheFileSetsWhatTheCommandLineDoesNot) {
  parse(R"({"port": 7, "no_page": true, "key": ["x", "y"], "form": {"a": 1}})", {});

  EXPECT_EQ(flags_.port, 7);
  EXPECT_FALSE(flags_.page);
  EXPECT_THAT(flags_.keys, ElementsAre("x", "y"));
  EXPECT_EQ(flags_.form, R"({"a":1})");
}

TEST_F(ConfigTest, TheCommandLineWinsUnderAnyName) {
  parse(R"({"port": 7, "page": false})", {"--server-port=9", "--page"});

  EXPECT_EQ(flags_.port, 9);
  EXPECT_TRUE(flags_.page);
}

TEST_F(ConfigTest, FaultsNameTheFile) {
  for (const auto& [text, part] :
       {std::pair("{", "JSON"), std::pair("[]", "object"), std::pair(R"({"prot": 1})", "--prot")}) {
    const std::string file = write(text);
    const std::string message =
        test::error_message([&] { (void)with_config(app_, {"--config=" + file}); });
    EXPECT_THAT(message, HasSubstr(file));
    EXPECT_THAT(message, HasSubstr(part));
  }
  EXPECT_THAT(test::error_message([&] { (void)with_config(app_, {"--config", "/none.json"}); }),
              HasSubstr("/none.json"));
}

TEST(ArgumentsTest, EveryFaultIsFound) {
  Arguments usable;
  Flags flags;

  const Arguments faults = find_faults(
      [&](CLI::App& app) { add_flags(app, flags); },
      {"--port", "x", "--page", "--what", "1", "--key", "a", "b", "--port=-5x"}, usable);

  ASSERT_EQ(faults.size(), 3U);
  EXPECT_THAT(faults[0], HasSubstr("--port"));
  EXPECT_THAT(faults[1], HasSubstr("--what"));
  EXPECT_THAT(usable, ElementsAre("--page", "--key", "a", "b"));
}

}  // namespace
}  // namespace talon
