// A byte-level tokenizer without merges for random models: id b < 256 is byte b in the order of the
// GPT-2 alphabet, followed by M3's control tokens. Every text encodes, one token a byte. Writes
// tokenizer.json, tokenizer_config.json and generation_config.json. Stateless.
#pragma once

#include <cstdint>
#include <filesystem>

namespace talon::test {

// Ids that have a token; a model's further vocabulary rows have none.
inline constexpr int64_t kTinyTokenizerIds = 272;

// The end-of-turn token, the only one generation stops on.
inline constexpr int32_t kTinyTokenizerEos = 258;

void write_tiny_tokenizer(const std::filesystem::path& folder, int64_t max_positions);

}  // namespace talon::test
