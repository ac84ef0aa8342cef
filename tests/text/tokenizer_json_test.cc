// The two tables in both spellings, and each way in which the JSON can be wrong.
#include "text/tokenizer_json.h"

#include <gtest/gtest.h>

namespace talon::text {
namespace {

TokenizerJson read(std::string_view text) {
  Result<TokenizerJson> result = read_tokenizer_json(text);
  EXPECT_TRUE(result.ok()) << result.message();
  return std::move(result).value();
}

std::string failure(std::string_view text) {
  const Result<TokenizerJson> result = read_tokenizer_json(text);
  return result.ok() ? "none" : result.message();
}

TEST(TokenizerJsonTest, TakesTheTablesOutOfTheDocument) {
  const TokenizerJson json =
      read(R"({"a": {"vocab": {"x": "y"}}, "model": {"type": "BPE", "vocab": {"a": 0, "b": -7},
              "merges": ["a b", ["c", " d"], "#version: 0.2"], "n": [1]}, "z": 1.5})");

  EXPECT_EQ(json.vocab, (std::vector<std::pair<std::string, int64_t>>{{"a", 0}, {"b", -7}}));
  EXPECT_EQ(json.merges,
            (std::vector<std::pair<std::string, std::string>>{{"a", "b"}, {"c", " d"}}));
  EXPECT_EQ(json.document.dump(),
            R"({"a":{"vocab":{"x":"y"}},"model":{"type":"BPE","n":[1]},"z":1.5})");
}

TEST(TokenizerJsonTest, TellsEmptyTablesFromMissingOnes) {
  const TokenizerJson empty = read(R"({"model": {"vocab": {}, "merges": []}})");
  const TokenizerJson missing = read(R"([{"model": {"vocab": {}, "merges": []}}])");

  EXPECT_TRUE(empty.has_vocab);
  EXPECT_TRUE(empty.has_merges);
  EXPECT_FALSE(missing.has_vocab);
  EXPECT_FALSE(missing.has_merges);
}

TEST(TokenizerJsonTest, NamesTheEntryAtFault) {
  EXPECT_EQ(failure(R"({"model": {"vocab": {"a": "x"}}})"), "model.vocab[\"a\"] is a string");
  EXPECT_EQ(failure(R"({"model": {"vocab": {"a": 1.5}}})"), "model.vocab[\"a\"] is not an integer");
  EXPECT_EQ(failure(R"({"model": {"vocab": {"a": {}}}})"), "model.vocab[\"a\"] is an object");
  EXPECT_EQ(failure(R"({"model": {"merges": ["a b", "ab"]}})"),
            "model.merges[1] does not have two parts");
  EXPECT_EQ(failure(R"({"model": {"merges": ["a b c"]}})"),
            "model.merges[0] does not have two parts");
  EXPECT_EQ(failure(R"({"model": {"merges": [["a"]]}})"),
            "model.merges[0] does not have two parts");
  EXPECT_EQ(failure(R"({"model": {"merges": [["a", "b", "c"]]}})"),
            "model.merges[0] does not have two parts");
  EXPECT_EQ(failure(R"({"model": {"merges": [["a", ["b"]]]}})"),
            "model.merges[0] has an array where a string should be");
  EXPECT_EQ(failure(R"({"model": {"merges": [3]}})"),
            "model.merges[0] has an integer where a string should be");
}

TEST(TokenizerJsonTest, RefusesWhatIsSaidTwice) {
  EXPECT_EQ(failure(R"({"a": 1, "a": 2})"), "the key \"a\" stands twice");
  EXPECT_EQ(failure(R"({"model": {"vocab": {}, "vocab": {}}})"), "model.vocab stands twice");
  EXPECT_EQ(failure(R"({"model": {"merges": [], "merges": []}})"), "model.merges stands twice");
}

TEST(TokenizerJsonTest, RefusesMalformedJson) {
  EXPECT_EQ(failure(""), "malformed JSON near byte 1");
  EXPECT_EQ(failure("{\"a\": tru}").substr(0, 14), "malformed JSON");
  EXPECT_EQ(failure("{} x").substr(0, 14), "malformed JSON");
  EXPECT_EQ(failure("{\"\xFF\": 1}").substr(0, 14), "malformed JSON");
  EXPECT_EQ(failure("{\"a\": 1e999}").substr(0, 14), "malformed JSON");
}

TEST(TokenizerJsonTest, BoundsTheDocument) {
  EXPECT_EQ(failure(std::string(33, '[') + std::string(33, ']')), "nested deeper than 32 levels");
  std::string keys = "{\"k\": 0";
  for (int i = 0; i < 1024; ++i) {
    keys += ", \"k" + std::to_string(i) + "\": 0";
  }
  EXPECT_EQ(failure(keys + "}"), "more than 1024 keys in one object");
}

}  // namespace
}  // namespace talon::text
