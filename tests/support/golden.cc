#include "support/golden.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <sstream>

#include "base/check.h"
#include "base/json.h"
#include "oracle/m3_tensors.h"
#include "support/config_json.h"
#include "support/random_weights.h"

namespace talon::test {
namespace {

oracle::Matrix matrix_of(const Json& rows, size_t first, size_t count) {
  oracle::Matrix out(static_cast<int64_t>(count), std::ssize(rows.at(first)));
  for (size_t i = 0; i < count; ++i) {
    const auto row = rows.at(first + i).get<std::vector<double>>();
    TALON_CHECK(std::ssize(row) == out.cols, "golden row of {} values", row.size());
    std::copy(row.begin(), row.end(), out.row(static_cast<int64_t>(i)));
  }
  return out;
}

Json read_json(const std::string& name) {
  const std::string path = std::string(TALON_SOURCE_DIR) + "/tests/golden/" + name + ".json";
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  TALON_CHECK(file.good(), "cannot read {}", path);
  Result<Json> parsed = parse_json(text.view());
  TALON_CHECK(parsed.ok(), "{}: {}", path, parsed.message());
  return std::move(parsed).value();
}

oracle::Matrix whole_matrix(const Json& rows) { return matrix_of(rows, 0, rows.size()); }

}  // namespace

std::vector<std::string> golden_names() {
  return {"short_all_rows", "group1_dim32",    "group2_dim64",  "group4_dim32_full_rotary",
          "group8_dim128",  "other_constants", "real_constants"};
}

Golden read_golden(const std::string& name) {
  const Json json = read_json(name);
  Golden golden;
  golden.name = json.at("name");
  golden.seed = json.at("seed");
  golden.config = m3_config_from_text(json.at("config").dump());
  golden.tokens = json.at("tokens").get<std::vector<int32_t>>();
  golden.rows = json.at("rows").get<std::vector<int64_t>>();
  golden.logits = matrix_of(json.at("logits"), 0, golden.rows.size());
  golden.tap_layers = json.at("tap_layers").get<std::vector<int64_t>>();
  golden.tap_rows = json.at("tap_rows").get<std::vector<int64_t>>();
  for (size_t i = 0; i < golden.tap_layers.size(); ++i) {
    const size_t count = golden.tap_rows.size();
    golden.taps.push_back(matrix_of(json.at("taps"), i * count, count));
  }
  return golden;
}

std::vector<std::string> eagle3_golden_names() { return {"eagle3_normed", "eagle3_plain"}; }

Eagle3Golden read_eagle3_golden(const std::string& name) {
  const Json json = read_json(name);
  Eagle3Golden golden;
  golden.name = json.at("name");
  golden.head.seed = json.at("seed");
  golden.head.config = eagle3_config_from_text(json.at("config").dump());
  if (golden.head.config.draft_vocab_size != golden.head.config.vocab_size) {
    golden.head.embedding = SharedTensor::kOwn;
    golden.head.lm_head = SharedTensor::kOwn;
  }
  golden.tokens = json.at("tokens").get<std::vector<int32_t>>();
  const auto num_rows = std::ssize(golden.tokens);
  const int64_t width =
      std::ssize(golden.head.config.tap_layers) * golden.head.config.target_hidden_size;
  golden.taps = oracle::Matrix(num_rows, width);
  const std::vector<uint16_t> bits = random_bf16(golden.head.seed, "taps", {num_rows, width});
  std::ranges::transform(bits, golden.taps.data.begin(), from_bf16);
  golden.extended = whole_matrix(json.at("extended"));
  golden.drafts = json.at("drafts").get<std::vector<int32_t>>();
  golden.chain = whole_matrix(json.at("chain"));
  golden.logits = whole_matrix(json.at("logits"));
  golden.keys = whole_matrix(json.at("keys"));
  golden.values = whole_matrix(json.at("values"));
  return golden;
}

oracle::Weights random_m3_weights(const oracle::M3Config& config, uint64_t seed) {
  oracle::Weights weights;
  for (const oracle::TensorSpec& spec : oracle::m3_tensors(config)) {
    std::vector<double>& values = weights[spec.name];
    for (const uint16_t bits : random_bf16(seed, spec.name, spec.shape)) {
      values.push_back(from_bf16(bits));
    }
  }
  return weights;
}

double row_error(const double* values, const double* expected, int64_t n) {
  double error = 0.0;
  double scale = 1.0;
  for (int64_t i = 0; i < n; ++i) {
    // Written so that a NaN counts as an infinite error.
    const double difference = std::abs(values[i] - expected[i]);
    error = difference <= error ? error : (std::isnan(difference) ? INFINITY : difference);
    scale = std::max(scale, std::abs(expected[i]));
  }
  return error / scale;
}

}  // namespace talon::test
