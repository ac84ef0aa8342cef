// The parts together on a small file, faults between fields, loading from disk, and a random round
// trip with the embedded model's tokenizer. Equality with the tokenizers package is tested in
// tokenizer_golden_test.cc.
#include "text/tokenizer.h"

#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <thread>

#include "base/error.h"
#include "base/json.h"
#include "base/utf8.h"
#include "support/temp_dir.h"

namespace talon::text {
namespace {

// a, b, space and four pairs; ids 5 and 6 have no token.
Json small() {
  return Json::parse(R"({
    "added_tokens": [
      {"id": 7, "content": "<s>", "single_word": false, "lstrip": false, "rstrip": false,
       "normalized": false, "special": true},
      {"id": 8, "content": "<t>", "single_word": false, "lstrip": false, "rstrip": false,
       "normalized": false, "special": false}],
    "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "use_regex": true},
    "post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>"}}]},
    "decoder": {"type": "ByteLevel"},
    "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "\u0120": 2, "ab": 3, "\u0120a": 4},
              "merges": ["a b", ["\u0120", "a"]]}
  })");
}

Tokenizer parsed(const Json& document) {
  Result<Tokenizer> result = Tokenizer::parse(document.dump());
  EXPECT_TRUE(result.ok()) << result.message();
  return std::move(result).value();
}

std::string failure(const std::string& patch) {
  Json document = small();
  document.merge_patch(Json::parse(patch));
  const Result<Tokenizer> result = Tokenizer::parse(document.dump());
  return result.ok() ? "none" : result.message();
}

std::vector<int32_t> encode(const Tokenizer& tokenizer,
                            std::string_view text,
                            bool parse_special = true) {
  std::vector<int32_t> values;
  for (const TokenId id : tokenizer.encode(text, {.parse_special = parse_special})) {
    values.push_back(id.value);
  }
  return values;
}

using Ids = std::vector<int32_t>;

TEST(TokenizerTest, EncodesTextAndAddedTokens) {
  const Tokenizer tokenizer = parsed(small());

  EXPECT_EQ(encode(tokenizer, ""), Ids{});
  EXPECT_EQ(encode(tokenizer, "ab a"), (Ids{3, 4}));
  EXPECT_EQ(encode(tokenizer, "<s>a<t>b"), (Ids{7, 0, 8, 1}));
}

TEST(TokenizerTest, PrependsNothing) {
  // The post-processor of the file would put <s> in front.
  EXPECT_EQ(encode(parsed(small()), "a"), Ids{0});
}

TEST(TokenizerTest, LeavesSpecialTokensInTextIfAsked) {
  // Bytes that the small vocabulary lacks are dropped.
  EXPECT_EQ(encode(parsed(small()), "<s>a<t>", false), (Ids{0, 8}));
}

TEST(TokenizerTest, DecodesTokens) {
  const Tokenizer tokenizer = parsed(small());
  const std::vector<TokenId> ids = {TokenId(7), TokenId(3), TokenId(4), TokenId(5), TokenId(99)};

  EXPECT_EQ(tokenizer.decode(ids, false), "<s>ab a");
  EXPECT_EQ(tokenizer.decode(ids, true), "ab a");
}

TEST(TokenizerTest, KnowsWhichIdsHaveATokenAndWhichAreSpecial) {
  const Tokenizer tokenizer = parsed(small());

  EXPECT_EQ(tokenizer.vocabulary_size(), 9);
  EXPECT_EQ(tokenizer.presence(),
            (std::vector<bool>{true, true, true, true, true, false, false, true, true}));
  for (const int32_t id : {-1, 5, 6, 9}) {
    EXPECT_FALSE(tokenizer.has_token(TokenId(id))) << id;
    EXPECT_FALSE(tokenizer.is_special(TokenId(id))) << id;
    EXPECT_EQ(tokenizer.token_bytes(TokenId(id)), "") << id;
  }
  EXPECT_TRUE(tokenizer.is_special(TokenId(7)));
  EXPECT_FALSE(tokenizer.is_special(TokenId(8)));
}

TEST(TokenizerTest, FindsTokensByContentAndBytes) {
  const Tokenizer tokenizer = parsed(small());

  EXPECT_EQ(tokenizer.token_id("<t>"), TokenId(8));
  EXPECT_EQ(tokenizer.token_id(" a"), TokenId(4));
  EXPECT_FALSE(tokenizer.token_id("ba"));
  EXPECT_EQ(tokenizer.token_bytes(TokenId(4)), " a");
}

TEST(TokenizerTest, EncodesInvalidUtf8AsReplacementCharacters) {
  Json document = small();
  document["added_tokens"][1]["content"] = "\xEF\xBF\xBD";
  const Tokenizer tokenizer = parsed(document);

  EXPECT_EQ(encode(tokenizer,
                   "a\xF0\x9F"
                   "b\xFF\xFF"),
            (Ids{0, 8, 1, 8, 8}));
}

TEST(TokenizerTest, NamesFaultsBetweenFields) {
  EXPECT_EQ(failure(R"({"model": {"vocab": {"x": 0}}})"),
            "model.vocab[\"x\"]: id 0 has another token");
  EXPECT_EQ(failure(R"({"model": {"merges": ["a b", "a x"]}})"),
            "model.merges[1]: \"x\" is not in model.vocab");
  EXPECT_EQ(failure(R"({"model": {"merges": ["b a"]}})"),
            "model.merges[0]: \"ba\" is not in model.vocab");
  EXPECT_EQ(failure(R"({"model": {"vocab": {"<s>": 5}}})"),
            "added_tokens[0].id: \"<s>\" has id 5 in model.vocab");
  EXPECT_EQ(failure(R"({"model": {"vocab": {"x": 7}}})"),
            "added_tokens[0].id: 7 has another token");
  EXPECT_EQ(failure(R"({"model": {"unk_token": "?"}})"),
            "model.unk_token: \"?\" is not in model.vocab, which lacks byte 0");
  EXPECT_EQ(failure(R"({"model": {"vocab": {"<s>": 7}, "unk_token": "<s>"}})"), "none");
}

TEST(TokenizerTest, RefusesAnAddedTokenTwice) {
  Json document = small();
  document["added_tokens"][1]["content"] = "<s>";

  EXPECT_EQ(Tokenizer::parse(document.dump()).message(),
            "added_tokens[1].content: \"<s>\" stands twice");
}

TEST(TokenizerTest, RefusesAVocabularyEntryTwice) {
  std::string text = small().dump();
  text.replace(text.find("\"b\":1"), 5, "\"a\":1");

  EXPECT_EQ(Tokenizer::parse(text).message(), "model.vocab[\"a\"]: stands twice");
}

TEST(TokenizerTest, NamesAnUnusablePattern) {
  Json document = small();
  document["pre_tokenizer"] = Json::parse(
      R"({"type": "Sequence", "pretokenizers": [
          {"type": "Split", "pattern": {"Regex": "a("}, "behavior": "Isolated"},
          {"type": "ByteLevel", "add_prefix_space": false}]})");

  const std::string message = Tokenizer::parse(document.dump()).message();

  EXPECT_EQ(message.substr(0, 62),
            "pre_tokenizer.pretokenizers[0].pattern.Regex: unusable pattern");
}

TEST(TokenizerTest, ReportsATextThatThePatternCannotSplit) {
  Json document = small();
  document["pre_tokenizer"] = Json::parse(
      R"({"type": "Sequence", "pretokenizers": [
          {"type": "Split", "pattern": {"Regex": "(q+)+[bc]"}, "behavior": "Isolated"},
          {"type": "ByteLevel", "add_prefix_space": false}]})");
  const Tokenizer tokenizer = parsed(document);
  const std::string text(5000, 'q');

  EXPECT_FALSE(tokenizer.try_encode(text).ok());
  EXPECT_THROW(static_cast<void>(tokenizer.encode(text)), Error);
  EXPECT_TRUE(tokenizer.try_encode("a").ok());
}

TEST(TokenizerTest, LoadsAFileOrItsFolder) {
  const test::TempDir folder;
  const std::filesystem::path file = folder.write("tokenizer.json", small().dump());

  EXPECT_EQ(encode(Tokenizer::load(file), "ab"), Ids{3});
  EXPECT_EQ(encode(Tokenizer::load(folder.path()), "ab"), Ids{3});
}

TEST(TokenizerTest, NamesTheFileThatDoesNotLoad) {
  const test::TempDir folder;
  const std::filesystem::path broken = folder.write("broken.json", "{}");
  const auto message_of = [](const std::filesystem::path& path) -> std::string {
    try {
      static_cast<void>(Tokenizer::load(path));
    } catch (const Error& error) {
      return error.what();
    }
    return "none";
  };

  EXPECT_EQ(message_of(broken), broken.string() + ": model: is missing or not an object");
  EXPECT_EQ(message_of(folder / "absent.json"),
            (folder / "absent.json").string() + ": cannot be read");
  EXPECT_EQ(message_of(folder.path()), (folder / "tokenizer.json").string() + ": cannot be read");
}

TEST(TokenizerTest, RoundTripsRandomText) {
  const uint32_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 rng(seed);
  const Tokenizer tokenizer =
      Tokenizer::load(std::filesystem::path(TALON_SOURCE_DIR) / "models" / "talon-tiny");

  for (int round = 0; round < 3000; ++round) {
    std::string bytes;
    for (size_t i = 0; i < rng() % 60; ++i) {
      // Mostly ASCII, so that there are words; the rest gives characters and invalid runs.
      bytes.push_back(static_cast<char>(rng() % 8 == 0 ? rng() % 256 : 0x20 + rng() % 0x60));
    }
    const std::vector<TokenId> ids = tokenizer.encode(bytes);

    EXPECT_EQ(tokenizer.decode(ids, false), to_valid_utf8(bytes));
    for (const TokenId id : ids) {
      EXPECT_TRUE(tokenizer.has_token(id)) << id.value;
    }
  }
}

TEST(TokenizerTest, ServesThreadsAtOnce) {
  const Tokenizer tokenizer =
      Tokenizer::load(std::filesystem::path(TALON_SOURCE_DIR) / "models" / "talon-tiny");
  const std::string text = "Janet's ducks lay 16 eggs per day. <think>caf\xC3\xA9</think>";
  const std::vector<TokenId> expected = tokenizer.encode(text);
  std::atomic<int> num_wrong = 0;
  {
    std::vector<std::jthread> threads;
    threads.reserve(4);
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        for (int round = 0; round < 200; ++round) {
          num_wrong += tokenizer.encode(text) == expected ? 0 : 1;
        }
      });
    }
  }

  EXPECT_EQ(num_wrong, 0);
}

}  // namespace
}  // namespace talon::text
