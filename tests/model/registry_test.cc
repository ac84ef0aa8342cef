// Loading a model by what its config.json says it is.
#include "model/registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "base/json.h"
#include "model/checkpoint_index.h"
#include "support/error_message.h"
#include "support/temp_dir.h"
#include "support/tiny_model.h"

namespace talon {
namespace {

using testing::EndsWith;

// The tiny target with one top-level key of its config.json set.
void write_with(const test::TempDir& dir, const std::string& key, const Json& value) {
  test::write_target(dir.path());
  Json json = parse_json(read_small_file(dir / "config.json")).value();
  json[key] = value;
  dir.write("config.json", json.dump());
}

TEST(RegistryTest, LoadsAMiniMaxM3) {
  const test::TempDir dir;
  test::write_target(dir.path());

  const auto model = load_model(dir.path(), {.type = ActivationType::kF32});

  EXPECT_EQ(model->limits().num_layers, 6);
  EXPECT_EQ(model->limits().vocab_size, 320);
  EXPECT_EQ(model->limits().hidden_size, 64);
  EXPECT_EQ(model->limits().max_positions, 8192);
  EXPECT_EQ(model->activation_type(), ActivationType::kF32);
}

TEST(RegistryTest, NamesAnUnknownArchitecture) {
  const test::TempDir dir;
  test::write_target(dir.path());
  dir.write("config.json", R"({"architectures":["MambaForCausalLM"],"model_type":"mamba"})");

  EXPECT_EQ(test::error_message([&] { load_model(dir.path(), {}); }),
            (dir / "config.json").string() +
                ": architectures: \"MambaForCausalLM\" is no target model known here");
}

TEST(RegistryTest, NamesFileAndKeyOfABadConfig) {
  const test::TempDir dir;
  write_with(dir, "text_config", {{"num_hidden_layers", 0}});

  EXPECT_EQ(
      test::error_message([&] { load_model(dir.path(), {}); }),
      (dir / "config.json").string() + ": text_config.num_hidden_layers: 0 is not in 1..1024");
}

TEST(RegistryTest, NamesAMissingConfig) {
  const test::TempDir dir;
  test::write_target(dir.path());
  std::filesystem::remove(dir / "config.json");

  EXPECT_THAT(test::error_message([&] { load_model(dir.path(), {}); }),
              EndsWith("config.json: No such file or directory"));
}

TEST(RegistryTest, WarnsOfAnUnknownKey) {
  const test::TempDir dir;
  write_with(dir, "novelty", 1);

  testing::internal::CaptureStderr();
  load_model(dir.path(), {});

  EXPECT_THAT(testing::internal::GetCapturedStderr(), EndsWith("unknown_key=novelty\n"));
}

TEST(RegistryTest, UnderStrictConfigAnUnknownKeyIsAnError) {
  const test::TempDir dir;
  write_with(dir, "novelty", 1);

  EXPECT_EQ(test::error_message([&] { load_model(dir.path(), {.strict_config = true}); }),
            (dir / "config.json").string() + ": novelty: unknown key (--strict-config)");
}

TEST(RegistryTest, OverridesStandInForTheFilesValues) {
  const test::TempDir dir;
  test::write_target(dir.path());
  const auto message = [&](const std::string& overrides, bool strict = false) {
    return test::error_message(
        [&] { load_model(dir.path(), {.strict_config = strict, .config_overrides = overrides}); });
  };
  const std::string file = (dir / "config.json").string() + " with --hf-overrides: ";

  const auto model =
      load_model(dir.path(), {.config_overrides = R"({"max_position_embeddings": 512})"});

  EXPECT_EQ(model->limits().max_positions, 512);
  EXPECT_EQ(message(R"({"num_hidden_layers": 0})"),
            file + "text_config.num_hidden_layers: 0 is not in 1..1024");
  EXPECT_THAT(message(R"({"use_index_cache": true, "index_topk_freq": 4})"),
              testing::StartsWith(file + "text_config.sparse_attention_config.use_index_cache"));
  EXPECT_EQ(message(R"({"novelty": 1})", true),
            file + "text_config.novelty: unknown key (--strict-config)");
  EXPECT_EQ(message("[]"), "hf-overrides: a JSON object is needed");
}

TEST(RegistryTest, DummyWeightsNeedNoShard) {
  const test::TempDir dir;
  test::write_target(dir.path());
  for (const auto& entry : std::filesystem::directory_iterator(dir.path())) {
    if (entry.path().filename() != "config.json") {
      std::filesystem::remove(entry.path());
    }
  }

  const auto model = load_model(dir.path(), {.dummy_weights = true});

  EXPECT_EQ(model->limits().num_layers, 6);
}

}  // namespace
}  // namespace talon
