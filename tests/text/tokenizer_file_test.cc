// One small valid file, changed in one field at a time: what is read, and the message of each
// fault.
#include "text/tokenizer_file.h"

#include <gtest/gtest.h>

#include "base/json.h"
#include "text/vocabulary.h"

namespace talon::text {
namespace {

Json valid() {
  return Json::parse(R"({
    "version": "1.0",
    "added_tokens": [{"id": 3, "content": "<s>", "single_word": false, "lstrip": true,
                      "rstrip": false, "normalized": false, "special": true}],
    "normalizer": null,
    "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false},
    "post_processor": {"type": "TemplateProcessing", "single": [], "pair": []},
    "decoder": {"type": "ByteLevel"},
    "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]}
  })");
}

TokenizerFile read(const Json& document) {
  Result<TokenizerFile> result = parse_tokenizer_file(document.dump());
  EXPECT_TRUE(result.ok()) << result.message();
  return std::move(result).value();
}

// The failure after `patch` (a JSON merge patch; null removes a field).
std::string failure(const std::string& patch) {
  Json document = valid();
  document.merge_patch(Json::parse(patch));
  const Result<TokenizerFile> result = parse_tokenizer_file(document.dump());
  return result.ok() ? "none" : result.message();
}

TEST(TokenizerFileTest, ReadsAValidFile) {
  const TokenizerFile file = read(valid());

  EXPECT_EQ(file.vocab.size(), 3u);
  EXPECT_EQ(file.merges.size(), 1u);
  ASSERT_EQ(file.added_tokens.size(), 1u);
  EXPECT_EQ(file.added_tokens[0].content, "<s>");
  EXPECT_EQ(file.added_tokens[0].id, TokenId(3));
  EXPECT_TRUE(file.added_tokens[0].lstrip);
  EXPECT_TRUE(file.added_tokens[0].special);
  EXPECT_FALSE(file.added_tokens[0].rstrip);
  EXPECT_EQ(file.normalization, Normalization::kNone);
  EXPECT_FALSE(file.ignore_merges);
  EXPECT_TRUE(file.pretokenizer.use_gpt2_pattern);  // the format's default
}

TEST(TokenizerFileTest, ReadsNestedSequences) {
  Json document = valid();
  document["normalizer"] = Json::parse(
      R"({"type": "Sequence", "normalizers": [{"type": "Sequence", "normalizers": []},
                                                 {"type": "NFC"}]})");
  document["pre_tokenizer"] = Json::parse(
      R"({"type": "Sequence", "pretokenizers": [
          {"type": "Split", "pattern": {"Regex": "x"}, "behavior": "Isolated", "invert": false},
          {"type": "ByteLevel", "add_prefix_space": true, "use_regex": false}]})");
  document["decoder"] = Json::parse(R"({"type": "Sequence", "decoders": [{"type": "ByteLevel"}]})");

  const TokenizerFile file = read(document);

  EXPECT_EQ(file.normalization, Normalization::kNfc);
  ASSERT_EQ(file.pretokenizer.splits.size(), 1u);
  EXPECT_EQ(file.pretokenizer.splits[0].expression, "x");
  EXPECT_EQ(file.pretokenizer.splits[0].field, "pre_tokenizer.pretokenizers[0].pattern.Regex");
  EXPECT_TRUE(file.pretokenizer.add_prefix_space);
  EXPECT_FALSE(file.pretokenizer.use_gpt2_pattern);
}

TEST(TokenizerFileTest, IgnoresWhatChangesNoId) {
  EXPECT_EQ(failure(R"({"truncation": {"max_length": 2}, "padding": {}, "else": 1})"), "none");
  EXPECT_EQ(failure(R"({"version": null, "added_tokens": null, "post_processor": null})"), "none");
  EXPECT_EQ(failure(R"({"model": {"type": null, "dropout": 0.0, "end_of_word_suffix": ""}})"),
            "none");
}

struct Fault {
  const char* patch;
  const char* message;
};

TEST(TokenizerFileTest, NamesTheFieldAtFault) {
  constexpr Fault kFaults[] = {
      {R"({"version": "2.0"})", "version: only \"1.0\" is supported"},
      {R"({"model": null})", "model: is missing or not an object"},
      {R"({"model": {"type": "WordPiece"}})", "model.type: only \"BPE\" is supported"},
      {R"({"model": {"byte_fallback": true}})", "model.byte_fallback: true is not supported"},
      {R"({"model": {"byte_fallback": 1}})", "model.byte_fallback: is missing or not a boolean"},
      {R"({"model": {"ignore_merges": "yes"}})",
       "model.ignore_merges: is missing or not a boolean"},
      {R"({"model": {"dropout": 0.1}})", "model.dropout: only null or 0 is supported"},
      {R"({"model": {"continuing_subword_prefix": "##"}})",
       "model.continuing_subword_prefix: only null or \"\" is supported"},
      {R"({"model": {"end_of_word_suffix": "</w>"}})",
       "model.end_of_word_suffix: only null or \"\" is supported"},
      {R"({"model": {"unk_token": 7}})", "model.unk_token: is not a string"},
      {R"({"model": {"vocab": null}})", "model.vocab: is missing or not an object"},
      {R"({"model": {"vocab": [1]}})", "model.vocab: is missing or not an object"},
      {R"({"model": {"merges": null}})", "model.merges: is missing or not an array"},
      {R"({"model": {"vocab": {"b": -1}}})", "model.vocab[\"b\"]: id -1 is not in 0..4194303"},
      {R"({"model": {"vocab": {"b": 4194304}}})",
       "model.vocab[\"b\"]: id 4194304 is not in 0..4194303"},
      {R"({"model": {"vocab": {"b": 18446744073709551615}}})",
       "model.vocab[\"b\"]: id 9223372036854775807 is not in 0..4194303"},
      {R"({"added_tokens": {}})", "added_tokens: is not an array"},
      {R"({"added_tokens": [7]})", "added_tokens[0]: is not an object"},
      {R"({"added_tokens": [{}]})", "added_tokens[0].content: is missing, not a string or empty"},
      {R"({"added_tokens": [{"content": ""}]})",
       "added_tokens[0].content: is missing, not a string or empty"},
      {R"({"added_tokens": [{"content": "x", "id": "3"}]})",
       "added_tokens[0].id: is missing or not an integer"},
      {R"({"added_tokens": [{"content": "x", "id": -1}]})",
       "added_tokens[0].id: -1 is not in 0..4194303"},
      {R"({"added_tokens": [{"content": "x", "id": 3}]})",
       "added_tokens[0].single_word: is missing or not a boolean"},
      {R"({"normalizer": 7})", "normalizer: is not an object"},
      {R"({"normalizer": {"type": "Lowercase"}})",
       "normalizer.type: \"Lowercase\" is not supported"},
      {R"({"normalizer": {"type": "Sequence", "normalizers": [{"type": "NFKC"}]}})",
       "normalizer.normalizers[0].type: \"NFKC\" is not supported"},
      {R"({"normalizer": {"type": "Sequence"}})",
       "normalizer.normalizers: is missing or not an array"},
      {R"({"pre_tokenizer": null})", "pre_tokenizer: is missing or null"},
      {R"({"pre_tokenizer": {"type": "Whitespace"}})",
       "pre_tokenizer.type: \"Whitespace\" is not supported"},
      {R"({"pre_tokenizer": {"add_prefix_space": null}})",
       "pre_tokenizer.add_prefix_space: is missing or not a boolean"},
      {R"({"pre_tokenizer": {"type": "Sequence", "pretokenizers": []}})",
       "pre_tokenizer: has no ByteLevel step"},
      {R"({"pre_tokenizer": {"type": "Sequence", "pretokenizers": [
           {"type": "ByteLevel", "add_prefix_space": false}, {"type": "ByteLevel"}]}})",
       "pre_tokenizer.pretokenizers[1]: a step after ByteLevel is not supported"},
      {R"({"pre_tokenizer": {"type": "Split", "pattern": {"Regex": "x"}, "behavior": "Removed"}})",
       "pre_tokenizer.behavior: only \"Isolated\" is supported"},
      {R"({"pre_tokenizer": {"type": "Split", "behavior": "Isolated", "pattern": {"String": ""}}})",
       "pre_tokenizer.pattern.Regex: is missing or not a string"},
      {R"({"decoder": null})", "decoder: is missing or null"},
      {R"({"decoder": {"type": "Fuse"}})", "decoder.type: \"Fuse\" is not supported"},
      {R"({"decoder": {"type": "Sequence", "decoders": []}})",
       "decoder.decoders: only a sequence of one ByteLevel is supported"},
      {R"({"post_processor": {"type": "Strange"}})",
       "post_processor.type: \"Strange\" is not supported"},
      {R"({"post_processor": {"type": "Sequence", "processors": [{}]}})",
       "post_processor.processors[0].type: is missing or not a string"},
  };

  for (const Fault& fault : kFaults) {
    EXPECT_EQ(failure(fault.patch), fault.message) << fault.patch;
  }
}

TEST(TokenizerFileTest, RefusesWhatIsNoObject) {
  EXPECT_EQ(parse_tokenizer_file("[]").message(), "the file is not a JSON object");
  EXPECT_EQ(parse_tokenizer_file("nonsense").message().substr(0, 14), "malformed JSON");
}

}  // namespace
}  // namespace talon::text
