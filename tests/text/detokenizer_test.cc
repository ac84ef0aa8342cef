// The pieces of a stream against the decoding of the whole: on characters cut into single bytes by
// hand, and on random ids of the embedded model's tokenizer.
#include "text/detokenizer.h"

#include <gtest/gtest.h>

#include <random>

#include "base/json.h"
#include "text/byte_alphabet.h"

namespace talon::text {
namespace {

// One token a byte, id = byte, and a special token with id 256.
Tokenizer byte_tokenizer() {
  Json document = Json::parse(
      R"({"added_tokens": [{"id": 256, "content": "<end>", "single_word": false, "lstrip": false,
                            "rstrip": false, "normalized": false, "special": true}],
          "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "use_regex": false},
          "decoder": {"type": "ByteLevel"}, "model": {"type": "BPE", "vocab": {}, "merges": []}})");
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    document["model"]["vocab"][spelling_of_bytes(std::string_view(&c, 1))] = byte;
  }
  Result<Tokenizer> parsed = Tokenizer::parse(document.dump());
  EXPECT_TRUE(parsed.ok()) << parsed.message();
  return std::move(parsed).value();
}

const Tokenizer& shared_byte_tokenizer() {
  static const Tokenizer tokenizer = byte_tokenizer();
  return tokenizer;
}

TEST(DetokenizerTest, EmitsACharacterWhenItIsWhole) {
  Detokenizer detokenizer(shared_byte_tokenizer(), false);

  EXPECT_EQ(detokenizer.push(TokenId('a')), "a");
  EXPECT_EQ(detokenizer.push(TokenId(0xE4)), "");
  EXPECT_EQ(detokenizer.push(TokenId(0xB8)), "");
  EXPECT_EQ(detokenizer.push(TokenId(0xAD)), "\xE4\xB8\xAD");
  EXPECT_EQ(detokenizer.finish(), "");
}

TEST(DetokenizerTest, ReplacesWhatCannotBecomeACharacter) {
  Detokenizer detokenizer(shared_byte_tokenizer(), false);

  EXPECT_EQ(detokenizer.push(TokenId(0xE4)), "");
  EXPECT_EQ(detokenizer.push(TokenId('a')),
            "\xEF\xBF\xBD"
            "a");
  EXPECT_EQ(detokenizer.push(TokenId(0xF0)), "");
  EXPECT_EQ(detokenizer.finish(), "\xEF\xBF\xBD");
  EXPECT_EQ(detokenizer.finish(), "");
}

TEST(DetokenizerTest, SkipsSpecialTokensIfAsked) {
  Detokenizer keeping(shared_byte_tokenizer(), false);
  Detokenizer skipping(shared_byte_tokenizer(), true);

  EXPECT_EQ(keeping.push(TokenId(256)), "<end>");
  EXPECT_EQ(skipping.push(TokenId(256)), "");
  // A skipped token does not break the character around it.
  EXPECT_EQ(skipping.push(TokenId(0xC3)), "");
  EXPECT_EQ(skipping.push(TokenId(256)), "");
  EXPECT_EQ(skipping.push(TokenId(0xA9)), "\xC3\xA9");
}

TEST(DetokenizerTest, IgnoresIdsWithoutAToken) {
  Detokenizer detokenizer(shared_byte_tokenizer(), false);

  EXPECT_EQ(detokenizer.push(TokenId(257)), "");
  EXPECT_EQ(detokenizer.push(TokenId(-1)), "");
}

TEST(DetokenizerTest, AddsUpToTheDecodingOfTheWhole) {
  const uint32_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 rng(seed);
  const Tokenizer tokenizer =
      Tokenizer::load(std::filesystem::path(TALON_SOURCE_DIR) / "models" / "talon-tiny");
  const Tokenizer* const tokenizers[] = {&tokenizer, &shared_byte_tokenizer()};

  for (int round = 0; round < 2000; ++round) {
    const Tokenizer& chosen = *tokenizers[round % 2];
    const bool skip_special = rng() % 2 == 0;
    // Some ids lie past the end; most are single bytes, which the first few hundred ids are.
    const auto limit = static_cast<uint32_t>(chosen.vocabulary_size()) + 3;
    std::vector<TokenId> ids;
    for (size_t i = 0; i < rng() % 30; ++i) {
      ids.emplace_back(static_cast<int32_t>(rng() % (rng() % 4 == 0 ? limit : 257)));
    }
    Detokenizer detokenizer(chosen, skip_special);
    std::string text;
    for (const TokenId id : ids) {
      const std::string piece = detokenizer.push(id);
      EXPECT_EQ(valid_utf8_prefix(piece), piece.size());
      text += piece;
    }
    EXPECT_EQ(text + detokenizer.finish(), chosen.decode(ids, skip_special));
  }
}

}  // namespace
}  // namespace talon::text
