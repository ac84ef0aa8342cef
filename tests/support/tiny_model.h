// Complete random checkpoint directories in the layout of the real ones: a MiniMax-M3 target
// (config.json, shards with index, tokenizer.json, generation_config.json) in any weight format,
// and a matching EAGLE-3 head in any of its variants. Weights are those of random_weights.h for the
// seed, so the same config and seed give the same model everywhere, goldens included. Failure to
// write aborts the test program. Stateless.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "oracle/eagle3_oracle.h"
#include "oracle/m3_oracle.h"
#include "support/quantise.h"
#include "support/safetensors_writer.h"

namespace talon::test {

// 6 layers (1 dense), hidden 64, 4 query and 2 KV heads of 32, 16 channels rotated, 8 experts of
// 64, top 2, 320 ids, page 128 with top-2 selection: truly sparse beyond 256 tokens.
oracle::M3Config tiny_m3_config();

struct TargetOptions {
  oracle::M3Config config = tiny_m3_config();
  uint64_t seed = 1;
  QuantFormat format = QuantFormat::kBf16;
  int64_t shard_bytes = 256 * 1024;
  // The first 256 ids are bytes, then M3's control tokens; the rest has no token. Needs
  // vocab_size >= 272; smaller vocabularies get no tokenizer files.
  bool with_tokenizer = true;
};

// The tensors as stored, for tests that change or drop some before writing.
std::vector<StoredTensor> target_tensors(const TargetOptions& options);
void write_target(const std::filesystem::path& folder, const TargetOptions& options = {});

// One layer over taps (2, n/2, n-3), fc_norm and norm_output set, GQA 4 to 2, own nothing.
// With 6 ids in target and head some drafts are right by chance: seed 22 accepts 0, 1, 2 and 3 of
// 3 drafts.
oracle::Eagle3Config tiny_eagle3_config(const oracle::M3Config& target);

enum class SharedTensor { kAbsent, kEqualToTarget, kOwn };

struct HeadOptions {
  oracle::Eagle3Config config = tiny_eagle3_config(tiny_m3_config());
  uint64_t seed = 1;  // equal to the target's where a tensor shall be equal to the target's
  std::string layer_prefix = "layers.0.";  // or "midlayer."
  SharedTensor embedding = SharedTensor::kAbsent;
  SharedTensor lm_head = SharedTensor::kAbsent;  // must be kOwn with a reduced vocabulary
  int64_t max_positions = 8192;
};

// With draft_vocab_size < vocab_size this includes d2t (I64 offsets) and t2d (BOOL).
std::vector<StoredTensor> head_tensors(const HeadOptions& options);
void write_head(const std::filesystem::path& folder, const HeadOptions& options = {});

// The offsets that head_tensors stores: the kept ids are spread evenly and ascend.
std::vector<int64_t> draft_to_target(int64_t draft_vocab_size, int64_t vocab_size);

// 59 sparse files with true headers and the index of the real BF16 repository, vision part
// included, and its config.json. They occupy little disk; their data reads as zeros.
void write_real_m3_headers(const std::filesystem::path& folder);

}  // namespace talon::test
