// Reads tests/golden/*.json (tests/golden/README.md): reference outputs of transformers in float32
// for small random models and drafter heads. Weights are regenerated from the seed, or written as a
// checkpoint directory with write_target (tiny_model.h) from the same config and seed.
#pragma once

#include <string>
#include <vector>

#include "oracle/m3_oracle.h"
#include "support/tiny_model.h"

namespace talon::test {

struct Golden {
  std::string name;
  uint64_t seed = 0;
  oracle::M3Config config;
  std::vector<int32_t> tokens;
  std::vector<int64_t> rows;  // positions of the rows of `logits`, ascending
  oracle::Matrix logits;      // [rows, vocab]
  std::vector<int64_t> tap_layers;
  std::vector<int64_t> tap_rows;
  std::vector<oracle::Matrix> taps;  // [tap layer] of [tap rows, hidden]
};

// Without folder and suffix: six small models, and real_constants (3,000 tokens, the real model's
// head and page sizes).
std::vector<std::string> golden_names();
Golden read_golden(const std::string& name);

// A head that extends over rows from position 0 and then drafts a greedy chain from the last row.
struct Eagle3Golden {
  std::string name;
  HeadOptions head;             // of the target tiny_m3_config() under the same seed
  std::vector<int32_t> tokens;  // the token that follows each row
  oracle::Matrix taps;          // [rows, taps * hidden], concatenated in layer order
  oracle::Matrix extended;      // [rows, hidden] carried hidden
  std::vector<int32_t> drafts;
  oracle::Matrix chain;   // [drafts, hidden] carried hidden each draft was made from
  oracle::Matrix logits;  // [drafts, draft vocabulary]
  oracle::Matrix keys;    // [rows + drafts - 1, kv_heads * head_dim], after rope
  oracle::Matrix values;
};

std::vector<std::string> eagle3_golden_names();
Eagle3Golden read_eagle3_golden(const std::string& name);

// All tensors of the model, widened.
oracle::Weights random_m3_weights(const oracle::M3Config& config, uint64_t seed);

// max |a - b| of one row, divided by max(1, max |b|): the error measure of all goldens.
double row_error(const double* values, const double* expected, int64_t n);

}  // namespace talon::test
