// Keys made by hand against the ids they were made from, with and without a map.
#include "ops/key_tokens.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

#include "ops/argmax.h"
#include "tests/ops/op_test_util.h"

namespace talon::ops {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

TestTensor example_keys() {
  return TestTensor::of<uint64_t>(
      {argmax_key(1.5F, 0), argmax_key(-kInfinity, 3), argmax_key(0.0F, 2), 0}, {4});
}

TEST(KeyTokensTest, GivesTheIdsThatKeysWereMadeFrom) {
  for_each_run([](Stream stream) {
    TestTensor tokens(DType::kI32, {4, 1}, /*padding=*/2);
    key_tokens(stream, {.tokens = tokens.view(), .keys = example_keys().cview(), .map = {}});
    EXPECT_EQ(tokens.values(), (std::vector<double>{0, 3, 2, -1}));
    EXPECT_TRUE(tokens.guards_intact());
  });
}

TEST(KeyTokensTest, MapsIdsOfAReducedVocabulary) {
  const TestTensor map = TestTensor::of_i32({5, 8, 13, 21});
  for_each_run([&](Stream stream) {
    TestTensor tokens(DType::kI32, {4, 1});
    key_tokens(stream,
               {.tokens = tokens.view(), .keys = example_keys().cview(), .map = map.cview()});
    EXPECT_EQ(tokens.values(), (std::vector<double>{5, 21, 13, -1}));
    EXPECT_TRUE(tokens.guards_intact());
  });
}

TEST(KeyTokensDeathTest, RefusesAnIdThatTheMapLacks) {
  CpuContext context(1, CpuPath::kScalar, false);
  const TestTensor map = TestTensor::of_i32({5, 8, 13});
  TestTensor tokens(DType::kI32, {4, 1});
  EXPECT_DEATH(
      key_tokens(Stream(context),
                 {.tokens = tokens.view(), .keys = example_keys().cview(), .map = map.cview()}),
      "id 3 of 3 in the map");
}

}  // namespace
}  // namespace talon::ops
