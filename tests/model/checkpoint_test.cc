// Folders written by tests/support, whole and with one fault each.
// Covers: model/checkpoint_index model/mapped_file
#include "model/checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "model/checkpoint_index.h"
#include "support/error_message.h"
#include "support/safetensors_writer.h"
#include "support/temp_dir.h"

namespace talon {
namespace {

using test::error_message;
using test::StoredTensor;
using test::TempDir;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

StoredTensor bytes_tensor(std::string name, std::vector<uint8_t> bytes) {
  return {std::move(name), "U8", {std::ssize(bytes)}, std::move(bytes)};
}

std::vector<std::string> names_of(const std::vector<CheckpointTensor>& tensors) {
  std::vector<std::string> names;
  names.reserve(tensors.size());
  for (const CheckpointTensor& tensor : tensors) {
    names.push_back(tensor.name);
  }
  return names;
}

void write_two_shards(const TempDir& dir) {
  const std::vector<std::vector<StoredTensor>> shards = {{bytes_tensor("b", {1, 2})},
                                                         {bytes_tensor("a", {3})}};
  for (size_t i = 0; i < shards.size(); ++i) {
    test::write_safetensors(dir / test::shard_name(i, shards.size()), shards[i]);
  }
  test::write_index(dir.path(), shards);
}

std::string open_message(const TempDir& dir) {
  return error_message([&] { Checkpoint::open(dir.path()); });
}

TEST(CheckpointTest, ListsTheTensorsOfAllShardsByName) {
  const TempDir dir;
  write_two_shards(dir);

  const Checkpoint checkpoint = Checkpoint::open(dir.path());

  EXPECT_THAT(names_of(checkpoint.tensors()), ElementsAre("a", "b"));
  EXPECT_EQ(checkpoint.find("a")->file_name, "model-00002-of-00002.safetensors");
  EXPECT_EQ(checkpoint.find("b")->file_name, "model-00001-of-00002.safetensors");
  EXPECT_EQ(checkpoint.find("c"), nullptr);
}

TEST(CheckpointTest, BytesAreThoseOfTheFileAndSurviveAMove) {
  const TempDir dir;
  write_two_shards(dir);

  Checkpoint first = Checkpoint::open(dir.path());
  const Checkpoint second = std::move(first);

  const auto bytes = second.find("b")->bytes;
  EXPECT_THAT(std::vector<std::byte>(bytes.begin(), bytes.end()),
              ElementsAre(std::byte{1}, std::byte{2}));
}

TEST(CheckpointTest, OpensFilesWithoutAnIndex) {
  const TempDir dir;
  test::write_safetensors(dir / "x.safetensors", {bytes_tensor("x", {1})});
  test::write_safetensors(dir / "y.safetensors", {bytes_tensor("y", {1})});

  EXPECT_THAT(names_of(Checkpoint::open(dir.path()).tensors()), ElementsAre("x", "y"));
}

TEST(CheckpointTest, PrefersTheSingleFileToOthersBesideIt) {
  const TempDir dir;
  test::write_safetensors(dir / "model.safetensors", {bytes_tensor("x", {1})});
  test::write_safetensors(dir / "consolidated.safetensors", {bytes_tensor("x", {1})});

  EXPECT_THAT(names_of(Checkpoint::open(dir.path()).tensors()), ElementsAre("x"));
}

TEST(CheckpointTest, KeepsVisionAndPredictionModulesApart) {
  const TempDir dir;
  test::write_safetensors(
      dir / "model.safetensors",
      {bytes_tensor("vision_tower.a", {1}), bytes_tensor("model.multi_modal_projector.b", {1}),
       bytes_tensor("patch_merge_mlp.c", {1}), bytes_tensor("language_model.model.mtp.0.d", {1}),
       bytes_tensor("verifier_norm.weight", {1}),
       bytes_tensor("language_model.model.norm.weight", {1})});

  const Checkpoint checkpoint = Checkpoint::open(dir.path());

  EXPECT_THAT(names_of(checkpoint.tensors()), ElementsAre("model.norm.weight"));
  EXPECT_EQ(checkpoint.skipped().size(), 5U);
}

TEST(CheckpointTest, ReadsSmallFilesAndNamesMissingOnes) {
  const TempDir dir;
  write_two_shards(dir);
  dir.write("config.json", "{}");

  const Checkpoint checkpoint = Checkpoint::open(dir.path());

  EXPECT_EQ(checkpoint.read_text("config.json"), "{}");
  EXPECT_TRUE(checkpoint.has_file("config.json"));
  EXPECT_FALSE(checkpoint.has_file("other.json"));
  EXPECT_THAT(error_message([&] { (void)checkpoint.read_text("other.json"); }),
              HasSubstr("other.json: No such file"));
}

TEST(CheckpointTest, NamesAMissingFolder) {
  EXPECT_EQ(error_message([] { Checkpoint::open("nowhere/at-all"); }),
            "nowhere/at-all: no such folder");
}

TEST(CheckpointTest, NamesAFolderWithoutWeights) {
  const TempDir dir;

  EXPECT_THAT(open_message(dir),
              EndsWith("neither model.safetensors.index.json nor a .safetensors file"));
}

TEST(CheckpointTest, NamesAMissingShard) {
  const TempDir dir;
  write_two_shards(dir);
  std::filesystem::remove(dir / "model-00002-of-00002.safetensors");

  EXPECT_THAT(open_message(dir),
              HasSubstr("model-00002-of-00002.safetensors: No such file or directory"));
}

TEST(CheckpointTest, NamesATruncatedShardAndTheTensor) {
  const TempDir dir;
  write_two_shards(dir);
  const auto shard = dir / "model-00001-of-00002.safetensors";
  std::filesystem::resize_file(shard, std::filesystem::file_size(shard) - 1);

  EXPECT_THAT(open_message(dir), StartsWith(shard.string() + R"(: tensor "b": data_offsets)"));
}

TEST(CheckpointTest, NamesAnEmptyShard) {
  const TempDir dir;
  dir.write("model.safetensors", "");

  EXPECT_THAT(open_message(dir),
              EndsWith("model.safetensors: 0 bytes are too few for a safetensors header"));
}

TEST(CheckpointTest, NamesAnUnknownDtype) {
  const TempDir dir;
  test::write_raw_safetensors(dir / "model.safetensors",
                              R"({"w":{"dtype":"F6","shape":[1],"data_offsets":[0,1]}})", "x");

  EXPECT_THAT(open_message(dir), EndsWith(R"(model.safetensors: tensor "w": unknown dtype "F6")"));
}

TEST(CheckpointTest, NamesAnAbsurdHeaderLength) {
  const TempDir dir;
  test::write_raw_safetensors(dir / "model.safetensors", "{}", "", uint64_t{1} << 62);

  EXPECT_THAT(open_message(dir), HasSubstr("model.safetensors: header length 4611686018427387904"));
}

TEST(CheckpointTest, NamesAFolderInTheShardsPlace) {
  const TempDir dir;
  std::filesystem::create_directory(dir / "model.safetensors");

  EXPECT_THAT(open_message(dir), EndsWith("model.safetensors: not a regular file"));
}

TEST(CheckpointTest, NamesATensorThatTheIndexPromisesInVain) {
  const TempDir dir;
  write_two_shards(dir);
  test::write_index(dir.path(), {{bytes_tensor("b", {})}, {bytes_tensor("c", {})}});

  EXPECT_THAT(open_message(dir),
              EndsWith(R"(index.json: tensor "c" is not in model-00002-of-00002.safetensors)"));
}

TEST(CheckpointTest, NamesATensorOfTwoShards) {
  const TempDir dir;
  test::write_safetensors(dir / "x.safetensors", {bytes_tensor("language_model.w", {1})});
  test::write_safetensors(dir / "y.safetensors", {bytes_tensor("w", {1})});

  EXPECT_THAT(open_message(dir), HasSubstr(R"(tensor "w" is also in )"));
}

TEST(CheckpointIndexTest, RefusesAFileOutsideTheFolder) {
  for (const char* file :
       {"../x.safetensors", "/x.safetensors", "a/x.safetensors", ".safetensors", "x.bin", ""}) {
    const std::string text = std::string(R"({"weight_map":{"w":")") + file + R"("}})";
    EXPECT_THAT(parse_checkpoint_index(text).message(),
                StartsWith(R"(weight_map: "w" does not name a .safetensors file)"))
        << file;
  }
}

TEST(CheckpointIndexTest, RefusesAnIndexWithoutAMap) {
  EXPECT_EQ(parse_checkpoint_index("{}").message(), "weight_map: missing, or not an object");
  EXPECT_EQ(parse_checkpoint_index(R"({"weight_map":{}})").message(), "weight_map: empty");
  EXPECT_THAT(parse_checkpoint_index("{").message(), StartsWith("malformed JSON"));
}

TEST(CheckpointIndexTest, KnowsTensorsUnderTheirOtherNames) {
  const std::vector<std::pair<const char*, const char*>> cases = {
      {"language_model.model.norm.weight", "model.norm.weight"},
      {"language_model.lm_head.weight", "lm_head.weight"},
      {"model.language_model.model.norm.weight", "model.norm.weight"},
      {"model.language_model.layers.3.x", "model.layers.3.x"},
      {"model.language_model.lm_head.weight", "lm_head.weight"},
      {"model.norm.weight", "model.norm.weight"},
      {"language_model.model.layers.0.block_sparse_moe.gate_proj.weight",
       "model.layers.0.mlp.gate_proj.weight"},
      {"language_model.model.layers.3.block_sparse_moe.gate.weight",
       "model.layers.3.block_sparse_moe.gate.weight"},
      {"language_model.model.layers.3.block_sparse_moe.shared_experts.up_proj.weight",
       "model.layers.3.block_sparse_moe.shared_experts.up_proj.weight"},
      {"midlayer.hidden_norm.weight", "layers.0.hidden_norm.weight"},
      {"layers.0.hidden_norm.weight", "layers.0.hidden_norm.weight"}};
  for (const auto& [in_file, for_loader] : cases) {
    EXPECT_EQ(loader_name(in_file), for_loader);
  }
}

}  // namespace
}  // namespace talon
