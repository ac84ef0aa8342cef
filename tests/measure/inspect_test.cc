// Reports on random checkpoints of the tiny model, whole and with one fault. The counts of the real
// model are those of tests/e2e/inspect_real_headers_test.py.
// Covers: measure/inspect_print
#include "measure/inspect.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "base/json.h"
#include "support/error_message.h"
#include "support/temp_dir.h"
#include "support/tiny_model.h"

namespace talon {
namespace {

using test::QuantFormat;
using test::TempDir;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;

int64_t elements_of(const std::vector<test::StoredTensor>& tensors) {
  int64_t sum = 0;
  for (const test::StoredTensor& tensor : tensors) {
    sum += tensor.num_values();
  }
  return sum;
}

int64_t bytes_of(const std::vector<test::StoredTensor>& tensors) {
  int64_t sum = 0;
  for (const test::StoredTensor& tensor : tensors) {
    sum += std::ssize(tensor.bytes);
  }
  return sum;
}

void remove_shards(const TempDir& dir) {
  for (const auto& entry : std::filesystem::directory_iterator(dir.path())) {
    if (entry.path().extension() == ".safetensors") {
      std::filesystem::remove(entry.path());
    }
  }
}

TEST(InspectTest, CountsWhatTheFilesHold) {
  const TempDir dir;
  test::write_target(dir.path());
  const auto tensors = test::target_tensors({});

  const InspectReport report = inspect_checkpoint(dir.path());

  EXPECT_EQ(report.architecture, "MiniMaxM3SparseForConditionalGeneration");
  EXPECT_EQ(report.role, "target");
  EXPECT_TRUE(report.has_headers);
  EXPECT_EQ(report.loaded.num_tensors, std::ssize(tensors));
  EXPECT_EQ(report.loaded.num_parameters, elements_of(tensors));
  EXPECT_EQ(report.loaded.num_bytes, bytes_of(tensors));
  EXPECT_EQ(report.all.num_tensors, report.loaded.num_tensors);
  EXPECT_EQ(report.max_positions, 8192);
  EXPECT_EQ(report.kv_bytes_per_token, 6 * 2 * 128 + 5 * 64);
  EXPECT_EQ(report.index_bytes_per_token, 5 * 64);
  EXPECT_EQ(report.memory->num_pages, 8192 / 128 + 1);
  EXPECT_EQ(report.memory->fixed_bytes, bytes_of(tensors));
  EXPECT_THAT(report.problems, IsEmpty());
  EXPECT_THAT(report.warnings, IsEmpty());
}

TEST(InspectTest, ParametersDoNotDependOnTheFormat) {
  const int64_t parameters = elements_of(test::target_tensors({}));
  for (const QuantFormat format : {QuantFormat::kMxfp8, QuantFormat::kMxfp4,
                                   QuantFormat::kFp8Channel, QuantFormat::kFp8Block}) {
    const TempDir dir;
    test::write_target(dir.path(), {.format = format});

    const InspectReport report = inspect_checkpoint(dir.path());

    EXPECT_EQ(report.loaded.num_parameters, parameters);
    EXPECT_EQ(report.loaded.num_bytes, bytes_of(test::target_tensors({.format = format})));
    EXPECT_THAT(report.problems, IsEmpty());
    EXPECT_EQ(report.formats.size(), 2U);  // this one, and bf16 at least for the head
  }
}

TEST(InspectTest, CountsKvInTheTypeAskedFor) {
  const TempDir dir;
  test::write_target(dir.path());

  const InspectReport kv = inspect_checkpoint(dir.path(), {.fp8_kv = true, .fp8_index = false});
  const InspectReport both = inspect_checkpoint(dir.path(), {.fp8_kv = true, .fp8_index = true});

  EXPECT_EQ(kv.kv_bytes_per_token, 6 * 2 * (64 + 2 * 4) + 5 * 64);
  EXPECT_EQ(both.kv_bytes_per_token, 6 * 2 * (64 + 2 * 4) + 5 * 32);
  EXPECT_EQ(both.index_bytes_per_token, 5 * 32);
  EXPECT_EQ(both.memory->page_bytes, 128 * both.kv_bytes_per_token);
  EXPECT_THAT(inspect_text(kv, false), HasSubstr("1 184 in fp8, 320 of it index keys in bf16"));
  EXPECT_EQ(parse_json(inspect_json(both, false)).value()["index_cache_dtype"], "fp8");
}

TEST(InspectTest, DescribesAHead) {
  const TempDir dir;
  test::write_head(dir.path());

  const InspectReport report = inspect_checkpoint(dir.path());

  EXPECT_EQ(report.role, "drafter");
  EXPECT_EQ(report.loaded.num_tensors, std::ssize(test::head_tensors({})));
  EXPECT_EQ(report.kv_bytes_per_token, 2 * 2 * 32 * 2);
  EXPECT_THAT(report.problems, IsEmpty());
}

TEST(InspectTest, ListsEveryProblem) {
  const TempDir dir;
  test::write_target(dir.path());
  remove_shards(dir);
  std::filesystem::remove(dir / "model.safetensors.index.json");
  auto tensors = test::target_tensors({});
  std::erase_if(tensors, [](const auto& tensor) {
    return tensor.name.ends_with("layers.2.self_attn.q_norm.weight") ||
           tensor.name.ends_with("layers.3.self_attn.q_norm.weight");
  });
  test::write_safetensors(dir / "model.safetensors", tensors);

  EXPECT_THAT(inspect_checkpoint(dir.path()).problems,
              ElementsAre(HasSubstr(R"("model.layers.2.self_attn.q_norm.weight": missing)"),
                          HasSubstr(R"("model.layers.3.self_attn.q_norm.weight": missing)")));
}

TEST(InspectTest, WarnsOfUnknownKeysAndTensors) {
  const TempDir dir;
  auto tensors = test::head_tensors({});
  tensors.push_back({"other", "U8", {1}, {0}});
  test::write_head(dir.path());
  test::write_safetensors(dir / "model.safetensors", tensors);
  const InspectReport before = inspect_checkpoint(dir.path());

  EXPECT_THAT(before.warnings, ElementsAre(R"(model.safetensors: tensor "other": unknown)"));
  EXPECT_EQ(before.all.num_tensors, before.loaded.num_tensors + 1);
}

TEST(InspectTest, WithTheIndexAloneShapesAreDerived) {
  const TempDir dir;
  test::write_target(dir.path(), {.format = QuantFormat::kMxfp8});
  const InspectReport whole = inspect_checkpoint(dir.path());
  remove_shards(dir);

  const InspectReport report = inspect_checkpoint(dir.path());

  EXPECT_FALSE(report.has_headers);
  EXPECT_EQ(report.loaded.num_tensors, whole.loaded.num_tensors);
  EXPECT_EQ(report.loaded.num_parameters, whole.loaded.num_parameters);
  EXPECT_EQ(report.loaded.num_bytes, 0);
  EXPECT_THAT(report.problems, IsEmpty());
  EXPECT_THAT(inspect_text(report, false), HasSubstr("derived from config.json (index alone)"));
}

TEST(InspectTest, OneMissingShardOfSeveralIsAnError) {
  const TempDir dir;
  test::write_target(dir.path());
  std::filesystem::remove(
      dir / test::shard_name(0, static_cast<size_t>(inspect_checkpoint(dir.path()).num_files)));

  EXPECT_THAT(test::error_message([&] { inspect_checkpoint(dir.path()); }),
              EndsWith("safetensors: No such file or directory"));
}

TEST(InspectTest, NamesFileAndKeyOfABadConfig) {
  const TempDir dir;
  test::write_head(dir.path());
  dir.write("config.json", R"({"architectures":["LlamaForCausalLMEagle3"],"hidden_size":0})");

  EXPECT_EQ(test::error_message([&] { inspect_checkpoint(dir.path()); }),
            (dir / "config.json").string() + ": hidden_size: 0 is not in 1..16777216");
}

TEST(InspectTest, JsonHoldsTheReport) {
  const TempDir dir;
  test::write_target(dir.path());
  const InspectReport report = inspect_checkpoint(dir.path());

  const Json json = parse_json(inspect_json(report, true)).value();

  EXPECT_EQ(json["loaded"]["parameters"], report.loaded.num_parameters);
  EXPECT_EQ(json["shapes"], "headers");
  EXPECT_EQ(json["parts"]["router"]["tensors"], 10);
  EXPECT_EQ(std::ssize(json["tensors"]), report.loaded.num_tensors);
  EXPECT_EQ(json["tensors"][0]["name"], "model.embed_tokens.weight");
  EXPECT_EQ(json["tensors"][0]["shape"], Json::array({320, 64}));
  EXPECT_FALSE(parse_json(inspect_json(report, false)).value().contains("tensors"));
}

TEST(InspectTest, TextListsTensorsOnRequest) {
  const TempDir dir;
  test::write_target(dir.path());
  const InspectReport report = inspect_checkpoint(dir.path());

  EXPECT_THAT(inspect_text(report, true), HasSubstr("model.layers.5.self_attn.o_proj.weight"));
  EXPECT_THAT(inspect_text(report, false),
              testing::Not(HasSubstr("model.layers.5.self_attn.o_proj.weight")));
}

}  // namespace
}  // namespace talon
