// The makers of test checkpoints: what they write must be what the formats say, because the
// loader's tests take it for the truth. Files are read back with the test reader and the oracle's
// decoders.
#include "support/tiny_model.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "support/checkpoint_reader.h"
#include "support/golden.h"
#include "support/random_weights.h"
#include "support/temp_dir.h"

namespace talon::test {
namespace {

constexpr const char* kExpert =
    "language_model.model.layers.3.block_sparse_moe.experts.5.w2.weight";
constexpr const char* kQuery = "language_model.model.layers.3.self_attn.q_proj.weight";
constexpr const char* kRouter = "language_model.model.layers.3.block_sparse_moe.gate.weight";

// Values of tools/random_weights.py for the same arguments.
TEST(RandomWeightsTest, EqualsThePythonGenerator) {
  EXPECT_EQ(random_bits(7, "a", 0), 1405178U);
  EXPECT_EQ(random_bits(7, "a", 1), 16337119U);
  EXPECT_EQ(random_tokens(7, 3, 100), (std::vector<int32_t>{52, 86, 99}));
  EXPECT_EQ(random_bf16(7, kQuery, {2, 2}), (std::vector<uint16_t>{48775, 16149, 16224, 48957}));
}

TEST(TinyModelTest, BfloatCheckpointHoldsTheRandomWeights) {
  const TempDir folder;
  write_target(folder.path(), {.seed = 9});

  const OracleTarget target = read_oracle_target(folder.path());

  EXPECT_EQ(target.weights, random_m3_weights(tiny_m3_config(), 9));
  EXPECT_EQ(target.config.rope_theta, tiny_m3_config().rope_theta);
  EXPECT_EQ(target.config.sparse_layers, tiny_m3_config().sparse_layers);
  EXPECT_EQ(read_tensors(folder.path()).at(kRouter).dtype, "F32");
}

TEST(TinyModelTest, ShardsAreListedInTheIndex) {
  const TempDir folder;
  write_target(folder.path(), {.shard_bytes = 100'000});

  EXPECT_TRUE(std::filesystem::exists(folder / "model.safetensors.index.json"));
  EXPECT_TRUE(std::filesystem::exists(folder / "model-00001-of-00017.safetensors"));
  EXPECT_TRUE(std::filesystem::exists(folder / "model-00017-of-00017.safetensors"));
}

TEST(TinyModelTest, IdsBeyondTheTokenizerHaveNoToken) {
  const TempDir folder;
  write_target(folder.path());

  const std::vector<bool> has_token = ids_with_token(folder.path(), 320);

  EXPECT_EQ(std::count(has_token.begin(), has_token.end(), true), 272);
  EXPECT_TRUE(has_token[271]);
  EXPECT_FALSE(has_token[272]);
}

// The largest error of rounding to the nearest code, relative to the largest value of its scale
// group: half the distance of the two largest magnitudes, plus what an MX exponent saturates.
struct FormatCase {
  QuantFormat format;
  double bound;
  const char* scale_suffix;
  bool is_attention_quantised;
};

class QuantisedModelTest : public testing::TestWithParam<FormatCase> {};

TEST_P(QuantisedModelTest, DecodesToNearTheOriginal) {
  const TempDir folder;
  write_target(folder.path(), {.seed = 4, .format = GetParam().format});
  const oracle::Weights original = random_m3_weights(tiny_m3_config(), 4);

  const oracle::Weights decoded = read_oracle_target(folder.path()).weights;

  ASSERT_EQ(decoded.size(), original.size());
  const auto error_of = [&](const char* name) {
    double error = 0.0;
    double top = 0.0;
    for (size_t i = 0; i < original.at(name).size(); ++i) {
      error = std::max(error, std::abs(decoded.at(name)[i] - original.at(name)[i]));
      top = std::max(top, std::abs(original.at(name)[i]));
    }
    return error / top;
  };
  EXPECT_LE(error_of(kExpert), GetParam().bound);
  EXPECT_GT(error_of(kExpert), 0.0);
  EXPECT_EQ(error_of(kQuery) > 0.0, GetParam().is_attention_quantised);
  EXPECT_EQ(error_of(kRouter), 0.0);
}

TEST_P(QuantisedModelTest, ScalesCarryTheLayoutsName) {
  const TempDir folder;
  write_target(folder.path(), {.format = GetParam().format});
  const auto tensors = read_tensors(folder.path());

  EXPECT_TRUE(tensors.contains(std::string(kExpert) + GetParam().scale_suffix));
  EXPECT_EQ(tensors.contains(std::string(kQuery) + GetParam().scale_suffix),
            GetParam().is_attention_quantised);
  EXPECT_FALSE(tensors.contains("language_model.lm_head.weight_scale"));
  EXPECT_FALSE(tensors.contains("language_model.lm_head.weight_scale_inv"));
}

INSTANTIATE_TEST_SUITE_P(Formats,
                         QuantisedModelTest,
                         testing::Values(FormatCase{QuantFormat::kMxfp8, 0.125, "_scale_inv", true},
                                         FormatCase{QuantFormat::kMxfp4, 0.25, "_scale", false},
                                         FormatCase{QuantFormat::kFp8Channel, 0.04, "_scale", true},
                                         FormatCase{QuantFormat::kFp8Block, 0.04, "_scale_inv",
                                                    true}));

TEST(QuantiseTest, NearestCodeWithTiesToEven) {
  EXPECT_EQ(to_e2m1(2.5), 4);    // between 2 and 3: even code 4 is 2
  EXPECT_EQ(to_e2m1(-3.5), 14);  // between 3 and 4: even code 6 is 4
  EXPECT_EQ(to_e2m1(100.0), 7);
  EXPECT_EQ(to_e4m3(1.0), 0x38);
  EXPECT_EQ(to_e4m3(-1000.0), 0xFE);
  EXPECT_EQ(to_e4m3(1.0625), 0x38);  // halfway to 1.125
}

TEST(SafetensorsWriterTest, SparseFileHasTheTrueLength) {
  const TempDir folder;
  const std::vector<StoredTensor> tensors = {{"a", "BF16", {1 << 20, 1024}, {}}};

  write_sparse_safetensors(folder / "a.safetensors", tensors);

  const auto header = (safetensors_header(tensors).size() + 7) / 8 * 8;
  EXPECT_EQ(std::filesystem::file_size(folder / "a.safetensors"), 8 + header + (uint64_t{2} << 30));
}

TEST(SafetensorsWriterTest, BrokenFileSaysWhatItIsTold) {
  const TempDir folder;

  write_raw_safetensors(folder / "a.safetensors", "{}", "xyz", uint64_t{1} << 40);

  EXPECT_EQ(std::filesystem::file_size(folder / "a.safetensors"), 8 + 2 + 3);
}

TEST(RealHeadersTest, FiftyNineFilesHoldEveryByte) {
  const TempDir folder;
  write_real_m3_headers(folder.path());

  uint64_t bytes = 0;
  int64_t num_files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
    if (entry.path().extension() == ".safetensors") {
      bytes += entry.file_size();
      ++num_files;
    }
  }
  EXPECT_EQ(num_files, 59);
  EXPECT_GT(bytes, 854'170'000'000U);  // the published size, headers aside
  EXPECT_LT(bytes, 854'190'000'000U);
}

}  // namespace
}  // namespace talon::test
