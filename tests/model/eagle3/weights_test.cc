// Heads for the tiny target, whole and with one fault each.
// Covers: model/eagle3/tensor_table
#include "model/eagle3/weights.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "model/eagle3/kv_layout.h"
#include "model/registry.h"
#include "support/error_message.h"
#include "support/temp_dir.h"
#include "support/tiny_model.h"

namespace talon {
namespace {

using test::HeadOptions;
using test::SharedTensor;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;

class Eagle3WeightsTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    const test::TempDir dir;
    test::write_target(dir.path());
    suite_target = load_model(dir.path(), {}).release();
  }
  static void TearDownTestSuite() { delete suite_target; }

  // The head with some tensors or config values changed.
  Eagle3Weights load(const HeadOptions& options,
                     const std::function<void(std::vector<test::StoredTensor>&)>& change = {},
                     const std::function<void(Eagle3Config&)>& change_config = {}) const {
    std::vector<test::StoredTensor> tensors = test::head_tensors(options);
    if (change) {
      change(tensors);
    }
    test::write_head(dir_.path(), options);
    test::write_safetensors(dir_ / "model.safetensors", tensors);
    const Checkpoint checkpoint = Checkpoint::open(dir_.path());
    Eagle3Config config = parse_eagle3_config(checkpoint.read_text("config.json")).value();
    if (change_config) {
      change_config(config);
    }
    return load_eagle3_weights(checkpoint, config, *suite_target);
  }

  std::string message_for(const std::function<void(Eagle3Config&)>& change_config) const {
    return test::error_message([&] { load({}, {}, change_config); });
  }

  static HeadOptions reduced() {
    HeadOptions options;
    options.config.draft_vocab_size = 100;
    options.lm_head = SharedTensor::kOwn;
    return options;
  }

  std::string config_file() const { return (dir_ / "config.json").string(); }

  static Model* suite_target;
  test::TempDir dir_;
};
Model* Eagle3WeightsTest::suite_target = nullptr;

test::StoredTensor& find(std::vector<test::StoredTensor>& tensors, const std::string& name) {
  for (test::StoredTensor& tensor : tensors) {
    if (tensor.name == name) {
      return tensor;
    }
  }
  TALON_CHECK(false, "no tensor {}", name);
}

void set_offsets(std::vector<test::StoredTensor>& tensors, const std::vector<int64_t>& offsets) {
  test::StoredTensor& map = find(tensors, "d2t");
  map.bytes.assign(map.bytes.size(), 0);
  if (!offsets.empty()) {
    std::memcpy(map.bytes.data(), offsets.data(), offsets.size() * sizeof(int64_t));
  }
}

TEST_F(Eagle3WeightsTest, BothNameLayoutsGiveTheSameWeights) {
  HeadOptions old_names;
  old_names.layer_prefix = "midlayer.";

  const Eagle3Weights a = load({});
  const Eagle3Weights b = load(old_names);

  EXPECT_EQ(a.qkv.weight().num_out, b.qkv.weight().num_out);
  EXPECT_EQ(a.qkv.weight().num_in, 2 * 64);
  EXPECT_EQ(b.down.weight().num_in, 128);
}

TEST_F(Eagle3WeightsTest, WhatIsAbsentIsTheTargets) {
  const Eagle3Weights weights = load({});

  EXPECT_TRUE(weights.embedding_is_aliased);
  EXPECT_TRUE(weights.head_is_aliased);
  EXPECT_EQ(weights.embedding.data(), suite_target->embedding().data());
  EXPECT_EQ(weights.head.values.data(), suite_target->head().values.data());
}

TEST_F(Eagle3WeightsTest, WhatIsByteEqualIsTheTargets) {
  HeadOptions options;
  options.embedding = SharedTensor::kEqualToTarget;
  options.lm_head = SharedTensor::kEqualToTarget;

  const Eagle3Weights weights = load(options);

  EXPECT_TRUE(weights.embedding_is_aliased);
  EXPECT_TRUE(weights.head_is_aliased);
  EXPECT_EQ(weights.own_head.num_bytes(), 0);
}

TEST_F(Eagle3WeightsTest, WhatDiffersIsItsOwn) {
  HeadOptions options;
  options.seed = 2;
  options.embedding = SharedTensor::kOwn;
  options.lm_head = SharedTensor::kOwn;

  const Eagle3Weights weights = load(options);

  EXPECT_FALSE(weights.embedding_is_aliased);
  EXPECT_FALSE(weights.head_is_aliased);
  EXPECT_NE(weights.embedding.data(), suite_target->embedding().data());
  EXPECT_EQ(weights.head.values.data(), weights.own_head.weight().values.data());
}

TEST_F(Eagle3WeightsTest, OneDifferingBitMakesAnEmbeddingItsOwn) {
  HeadOptions options;
  options.embedding = SharedTensor::kEqualToTarget;

  const Eagle3Weights weights =
      load(options, [](auto& tensors) { find(tensors, "embed_tokens.weight").bytes.back() ^= 1; });

  EXPECT_FALSE(weights.embedding_is_aliased);
}

TEST_F(Eagle3WeightsTest, OffsetsBecomeTargetIds) {
  const Eagle3Weights weights = load(reduced());

  const std::vector<int64_t> offsets = test::draft_to_target(100, 320);
  ASSERT_EQ(weights.draft_to_target.size(), 100U);
  EXPECT_EQ(weights.draft_to_target[0], 0);
  EXPECT_EQ(weights.draft_to_target[99], 99 + offsets[99]);
}

TEST_F(Eagle3WeightsTest, OffsetsOfZeroAreTheIdentity) {
  const Eagle3Weights weights = load(reduced(), [](auto& tensors) { set_offsets(tensors, {}); });

  EXPECT_THAT(weights.draft_to_target, IsEmpty());
}

TEST_F(Eagle3WeightsTest, MissingOffsetsAreTheIdentity) {
  const Eagle3Weights weights = load(reduced(), [](auto& tensors) {
    std::erase_if(tensors, [](const auto& tensor) { return tensor.name == "d2t"; });
  });

  EXPECT_THAT(weights.draft_to_target, IsEmpty());
}

TEST_F(Eagle3WeightsTest, NamesAnOffsetOutsideTheVocabulary) {
  for (const int64_t offset : {int64_t{320}, int64_t{-1}, INT64_MAX, INT64_MIN}) {
    const std::string message = test::error_message(
        [&] { load(reduced(), [&](auto& tensors) { set_offsets(tensors, {offset}); }); });
    EXPECT_THAT(message, EndsWith("model.safetensors: tensor \"d2t\": entry 0 has offset " +
                                  std::to_string(offset) + ", outside vocab_size 320"));
  }
}

TEST_F(Eagle3WeightsTest, TheMaskOfTheVocabularyIsCheckedForItsShape) {
  const std::string message = test::error_message([&] {
    load(reduced(), [](auto& tensors) {
      find(tensors, "t2d").shape = {319};
      find(tensors, "t2d").bytes.resize(319);
    });
  });

  EXPECT_THAT(message, EndsWith(R"(tensor "t2d": BOOL shape [319], expected BOOL [320])"));
}

TEST_F(Eagle3WeightsTest, GainsOfTheTapsStandInTheirOrder) {
  std::vector<uint8_t> second;
  const Eagle3Weights weights =
      load({}, [&](auto& tensors) { second = find(tensors, "fc_norm.1.weight").bytes; });

  ASSERT_EQ(weights.fc_gains.shape(), (Shape{3, 64}));
  EXPECT_EQ(std::memcmp(weights.fc_gains.row<bf16>(1), second.data(), second.size()), 0);
}

TEST_F(Eagle3WeightsTest, WithoutFcNormThereAreNoGains) {
  HeadOptions options;
  options.config.fc_norm = false;

  EXPECT_TRUE(load(options).fc_gains.empty());
}

TEST_F(Eagle3WeightsTest, RefusesATargetOfAnotherWidth) {
  EXPECT_EQ(message_for([](Eagle3Config& config) { config.target_hidden_size = 128; }),
            config_file() + ": target_hidden_size: 128, but the target's hidden_size is 64");
}

TEST_F(Eagle3WeightsTest, RefusesATargetWithAnotherVocabulary) {
  EXPECT_EQ(message_for([](Eagle3Config& config) { config.vocab_size = 321; }),
            config_file() + ": vocab_size: 321, but the target's is 320");
}

TEST_F(Eagle3WeightsTest, RefusesATapPastTheLastLayer) {
  EXPECT_EQ(
      message_for([](Eagle3Config& config) { config.taps = {2, 3, 6}; }),
      config_file() + ": eagle_aux_hidden_state_layer_ids: layer 6 is not among the target's 6");
}

TEST_F(Eagle3WeightsTest, WithoutTapsWarnsAndTakesTheDefault) {
  testing::internal::CaptureStderr();
  const Eagle3Weights weights = load({}, {}, [](Eagle3Config& config) { config.taps.clear(); });

  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              EndsWith("eagle_aux_hidden_state_layer_ids is missing: taps=2,3,3\n"));
  EXPECT_THAT(weights.taps, ElementsAre(2, 3, 3));
}

TEST_F(Eagle3WeightsTest, RefusesATargetTooShallowForTheDefaultTaps) {
  EXPECT_THAT(test::error_message([] { settle_taps("head", {}, 4); }),
              EndsWith("missing, and no default fits 3 taps of 4 layers"));
}

TEST_F(Eagle3WeightsTest, NamesAMissingHeadThatTheTargetCannotReplace) {
  const std::string message = test::error_message([&] {
    load(reduced(), [](auto& tensors) {
      std::erase_if(tensors, [](const auto& tensor) { return tensor.name == "lm_head.weight"; });
    });
  });

  EXPECT_THAT(message,
              EndsWith(R"(tensor "lm_head.weight": missing, and the target's has another shape)"));
}

TEST_F(Eagle3WeightsTest, NamesAMissingTensor) {
  const std::string message = test::error_message([&] {
    load({}, [](auto& tensors) {
      std::erase_if(tensors, [](const auto& tensor) { return tensor.name == "fc.weight"; });
    });
  });

  EXPECT_THAT(message, HasSubstr(R"(tensor "fc.weight": missing)"));
}

TEST_F(Eagle3WeightsTest, KvHasOneKeyAndOneValueOfItsHeads) {
  Eagle3Config config;
  config.num_kv_heads = 4;
  config.head_dim = 128;

  EXPECT_EQ(eagle3_kv_layout(config, DType::kBf16).bytes_per_token(), 2 * 4 * 128 * 2);
}

}  // namespace
}  // namespace talon
