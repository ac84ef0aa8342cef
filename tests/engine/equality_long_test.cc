// The sweep behind engine/equality_test.cc, minutes long: every K at many prompt lengths, around
// page borders and past the sparse window, in both activation types. Run by `./check --long`.
#include <gtest/gtest.h>

#include <vector>

#include "engine/engine.h"
#include "support/engine_fixture.h"

namespace talon {
namespace {

class EqualityLongTest : public test::EngineFixture,
                         public testing::WithParamInterface<ActivationType> {};

TEST_P(EqualityLongTest, DraftingChangesNoTokenAtAnyLength) {
  EngineConfig plain = baseline();
  plain.dtype = GetParam();
  const auto without = build(plain);
  std::vector<std::unique_ptr<Engine>> engines;
  for (int32_t drafts = 0; drafts <= kMaxDrafts; ++drafts) {
    EngineConfig with = config(drafts);
    with.dtype = GetParam();
    engines.push_back(build(with));
  }

  for (int64_t length = 1; length < 800; length += length % 128 < 124 ? 7 : 1) {
    const std::vector<TokenId> prompt = test::random_prompt(length, static_cast<uint64_t>(length));
    const std::vector<TokenId> expected = test::run(*without, prompt, 33).tokens;
    for (size_t drafts = 0; drafts < engines.size(); ++drafts) {
      ASSERT_EQ(test::run(*engines[drafts], prompt, 33).tokens, expected)
          << length << " prompt tokens, K = " << drafts;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Types,
                         EqualityLongTest,
                         testing::Values(ActivationType::kBf16, ActivationType::kF32),
                         [](const auto& type) {
                           return type.param == ActivationType::kBf16 ? "Bf16" : "Float32";
                         });

}  // namespace
}  // namespace talon
