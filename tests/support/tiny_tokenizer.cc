#include "support/tiny_tokenizer.h"

#include <array>
#include <fstream>
#include <string>

#include "base/check.h"
#include "base/json.h"

namespace talon::test {
namespace {

constexpr std::array<const char*, 16> kControlTokens = {
    "]!p~[",      "]~b]",        "[e~[",         "]!d~[",       "]<]image[>[",  "]<]video[>[",
    "]~!b[",      "<think>",     "</think>",     "<tool_call>", "</tool_call>", "]<]minimax[>[",
    "<mm:think>", "</mm:think>", "]<]speech[>[", "]<]frame[>[",
};
static_assert(256 + kControlTokens.size() == kTinyTokenizerIds);

std::string utf8(int code_point) {
  if (code_point < 128) {
    return {static_cast<char>(code_point)};
  }
  return {static_cast<char>(0xC0 | (code_point >> 6)), static_cast<char>(0x80 | (code_point & 63))};
}

// GPT-2's alphabet: printable Latin-1 stands for itself, the other bytes for code points from 256.
Json byte_vocabulary() {
  Json vocabulary = Json::object();
  int next = 256;
  for (int byte = 0; byte < 256; ++byte) {
    const bool is_printable =
        (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    vocabulary[utf8(is_printable ? byte : next++)] = byte;
  }
  return vocabulary;
}

Json added_tokens() {
  Json tokens = Json::array();
  for (size_t i = 0; i < kControlTokens.size(); ++i) {
    tokens.push_back({{"id", 256 + i},
                      {"content", kControlTokens[i]},
                      {"single_word", false},
                      {"lstrip", false},
                      {"rstrip", false},
                      {"normalized", false},
                      {"special", true}});
  }
  return tokens;
}

void write_json(const std::filesystem::path& path, const Json& value) {
  std::ofstream out(path, std::ios::binary);
  out << value.dump(1) << "\n";
  out.close();
  TALON_CHECK(out.good(), "cannot write {}", path.string());
}

}  // namespace

void write_tiny_tokenizer(const std::filesystem::path& folder, int64_t max_positions) {
  const Json split = {{"type", "Split"},
                      {"pattern", {{"Regex", "\\p{N}|\\s+|[^\\s\\p{N}]+"}}},
                      {"behavior", "Isolated"},
                      {"invert", false}};
  const Json byte_level = {{"type", "ByteLevel"},
                           {"add_prefix_space", false},
                           {"trim_offsets", true},
                           {"use_regex", false}};
  const Json model = {{"type", "BPE"},
                      {"dropout", nullptr},
                      {"unk_token", nullptr},
                      {"continuing_subword_prefix", nullptr},
                      {"end_of_word_suffix", nullptr},
                      {"fuse_unk", false},
                      {"byte_fallback", false},
                      {"ignore_merges", true},
                      {"vocab", byte_vocabulary()},
                      {"merges", Json::array()}};
  write_json(folder / "tokenizer.json",
             {{"version", "1.0"},
              {"truncation", nullptr},
              {"padding", nullptr},
              {"added_tokens", added_tokens()},
              {"normalizer", nullptr},
              {"pre_tokenizer",
               {{"type", "Sequence"}, {"pretokenizers", Json::array({split, byte_level})}}},
              {"post_processor", nullptr},
              {"decoder", byte_level},
              {"model", model}});
  write_json(folder / "tokenizer_config.json", {{"bos_token", "]~!b["},
                                                {"eos_token", "[e~["},
                                                {"model_max_length", max_positions},
                                                {"tokenizer_class", "PreTrainedTokenizerFast"}});
  write_json(folder / "generation_config.json",
             {{"bos_token_id", 257}, {"do_sample", false}, {"eos_token_id", kTinyTokenizerEos}});
}

}  // namespace talon::test
