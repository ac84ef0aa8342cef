// Reads any checkpoint directory of the supported layouts into the oracle's form, dequantising in
// double. For tests that compare the engine with the oracle on real files, models/talon-tiny
// included. It shares nothing with the loader and trusts its input: a fault aborts the program.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "oracle/eagle3_oracle.h"
#include "oracle/m3_oracle.h"
#include "support/safetensors_writer.h"

namespace talon::test {

// All *.safetensors files of the directory.
std::map<std::string, StoredTensor> read_tensors(const std::filesystem::path& folder);

struct OracleTarget {
  oracle::M3Config config;
  oracle::Weights weights;
};
OracleTarget read_oracle_target(const std::filesystem::path& folder);

// Canonical names; embedding and head taken from the target's weights where the files lack them.
struct OracleHead {
  oracle::Eagle3Config config;
  oracle::Eagle3Weights weights;
};
OracleHead read_oracle_head(const std::filesystem::path& folder, const oracle::Weights& target);

// By id: whether tokenizer.json of the directory has a token for it. Empty without the file.
std::vector<bool> ids_with_token(const std::filesystem::path& folder, int64_t vocab_size);

}  // namespace talon::test
