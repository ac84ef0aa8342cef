// The tokenizer against the PyPI package `tokenizers`: the files of tests/golden/text, written by
// tools/make_tokenizer_goldens.py, hold texts with the package's ids and ids with its texts. The
// two large real tokenizers are third-party data that is not in the tree; their tests skip without
// it.
#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>

#include "base/json.h"
#include "text/detokenizer.h"
#include "text/tokenizer.h"

namespace talon::text {
namespace {

const std::filesystem::path kSource = TALON_SOURCE_DIR;
const std::filesystem::path kGolden = kSource / "tests" / "golden" / "text";
const std::filesystem::path kData =
    std::filesystem::canonical(kSource).parent_path() / "shared" / "data";

std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string decompress(const std::filesystem::path& path) {
  const std::string command = "xz -dc '" + path.string() + "'";
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(command.c_str(), "r"), pclose);
  std::string bytes;
  char buffer[65536];
  while (const size_t count = pipe ? fread(buffer, 1, sizeof(buffer), pipe.get()) : 0) {
    bytes.append(buffer, count);
  }
  return bytes;
}

Json parse_line(const std::string& line) {
  Result<Json> parsed = parse_json(line);
  EXPECT_TRUE(parsed.ok()) << line.substr(0, 200);
  return parsed.ok() ? std::move(parsed).value() : Json();
}

std::vector<Json> read_golden(const std::string& name) {
  std::ifstream file(kGolden / ("tokenizer_" + name + ".jsonl"));
  std::vector<Json> lines;
  std::string line;
  while (std::getline(file, line)) {
    lines.push_back(parse_line(line));
  }
  return lines;
}

std::string bytes_of_hex(const std::string& hex) {
  std::string bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes.push_back(static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

std::vector<int32_t> values(const std::vector<TokenId>& ids) {
  std::vector<int32_t> out;
  for (const TokenId id : ids) {
    out.push_back(id.value);
  }
  return out;
}

std::vector<TokenId> token_ids(const Json& json) {
  std::vector<TokenId> ids;
  for (const Json& id : json) {
    ids.emplace_back(id.get<int32_t>());
  }
  return ids;
}

std::string decode_in_steps(const Tokenizer& tokenizer,
                            const std::vector<TokenId>& ids,
                            bool skip_special) {
  Detokenizer detokenizer(tokenizer, skip_special);
  std::string text;
  for (const TokenId id : ids) {
    text += detokenizer.push(id);
  }
  return text + detokenizer.finish();
}

// FNV-1a over the ids as little-endian 32-bit integers, as the maker writes it.
class IdDigest {
 public:
  void add(TokenId id) {
    for (int shift = 0; shift < 32; shift += 8) {
      hash_ = (hash_ ^ ((static_cast<uint32_t>(id.value) >> shift) & 0xFF)) * 0x100000001B3;
    }
    ++num_ids_;
  }
  uint64_t num_ids() const { return num_ids_; }
  std::string hex() const {
    char text[17];
    std::snprintf(text, sizeof(text), "%016llx", static_cast<unsigned long long>(hash_));
    return text;
  }

 private:
  uint64_t hash_ = 0xCBF29CE484222325;
  uint64_t num_ids_ = 0;
};

void check_gsm8k(const Tokenizer& tokenizer, const Json& line) {
  std::ifstream file(kData / "gsm8k" / "test.jsonl");
  if (!file) {
    GTEST_LOG_(WARNING) << "no GSM8K test questions under " << kData << ", digest not compared";
    return;
  }
  IdDigest digest;
  int num_questions = 0;
  std::string text;
  while (std::getline(file, text)) {
    ++num_questions;
    for (const TokenId id : tokenizer.encode(parse_line(text)["question"].get<std::string>())) {
      digest.add(id);
    }
  }
  EXPECT_EQ(num_questions, line["gsm8k_questions"].get<int>());
  EXPECT_EQ(digest.num_ids(), line["num_ids"].get<uint64_t>());
  EXPECT_EQ(digest.hex(), line["digest"].get<std::string>());
}

// Returns whether the line was a case.
bool check_case(const Tokenizer& tokenizer, const Json& line) {
  if (line.contains("gsm8k_questions")) {
    check_gsm8k(tokenizer, line);
    return true;
  }
  if (line.contains("decode")) {
    const std::vector<TokenId> ids = token_ids(line["decode"]);
    EXPECT_EQ(tokenizer.decode(ids, false), line["text"].get<std::string>()) << line;
    EXPECT_EQ(tokenizer.decode(ids, true), line["skipped"].get<std::string>()) << line;
    EXPECT_EQ(decode_in_steps(tokenizer, ids, false), line["text"].get<std::string>()) << line;
    EXPECT_EQ(decode_in_steps(tokenizer, ids, true), line["skipped"].get<std::string>()) << line;
    return true;
  }
  if (!line.contains("ids")) {
    return false;
  }
  const std::string text = line.contains("hex") ? bytes_of_hex(line["hex"].get<std::string>())
                                                : line["text"].get<std::string>();
  EXPECT_EQ(values(tokenizer.encode(text)), line["ids"].get<std::vector<int32_t>>()) << line;
  return true;
}

void check_golden(const std::string& name, const std::string& tokenizer_json, int min_cases) {
  const Result<Tokenizer> tokenizer = Tokenizer::parse(tokenizer_json);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.message();
  int num_cases = 0;
  for (const Json& line : read_golden(name)) {
    num_cases += check_case(tokenizer.value(), line) ? 1 : 0;
  }
  EXPECT_GE(num_cases, min_cases);
}

TEST(TokenizerGoldenTest, EqualsThePackageOnTheEmbeddedModel) {
  const std::filesystem::path path = kSource / "models" / "talon-tiny" / "tokenizer.json";
  ASSERT_TRUE(std::filesystem::exists(path)) << path;

  check_golden("talon_tiny", read_file(path), 600);
}

TEST(TokenizerGoldenTest, EqualsThePackageOnGptOss) {
  const std::filesystem::path path = kData / "tokenizers" / "gptoss" / "tokenizer.json.xz";
  if (!std::filesystem::exists(path)) {
    GTEST_SKIP() << "the gpt-oss tokenizer is not at " << path;
  }

  check_golden("gptoss", decompress(path), 570);
}

TEST(TokenizerGoldenTest, EqualsThePackageOnQwen3) {
  const std::filesystem::path path = kData / "tokenizers" / "qwen3" / "tokenizer.json.xz";
  if (!std::filesystem::exists(path)) {
    GTEST_SKIP() << "the Qwen3 tokenizer is not at " << path;
  }

  check_golden("qwen3", decompress(path), 560);
}

TEST(TokenizerGoldenTest, EqualsThePackageOnVariants) {
  std::optional<Tokenizer> tokenizer;
  Json base;
  Json patch;
  int num_tokenizers = 0;
  int num_cases = 0;

  for (const Json& line : read_golden("variants")) {
    if (line.contains("base")) {
      base = line["base"];
    } else if (line.contains("patch")) {
      patch = line["patch"];
      Json document = base;
      document.merge_patch(patch);
      Result<Tokenizer> parsed = Tokenizer::parse(document.dump());
      ASSERT_TRUE(parsed.ok()) << parsed.message() << "\n" << patch.dump().substr(0, 2000);
      tokenizer = std::move(parsed).value();
      ++num_tokenizers;
    } else if (tokenizer) {
      num_cases += check_case(*tokenizer, line) ? 1 : 0;
      ASSERT_FALSE(HasFailure()) << patch.dump().substr(0, 2000);
    }
  }

  EXPECT_GE(num_tokenizers, 45);
  EXPECT_GE(num_cases, 1400);
}

}  // namespace
}  // namespace talon::text
