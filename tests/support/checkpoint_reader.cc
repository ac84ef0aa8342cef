#include "support/checkpoint_reader.h"

#include <cstring>
#include <fstream>
#include <sstream>

#include "base/check.h"
#include "base/json.h"
#include "oracle/dequant_oracle.h"
#include "support/config_json.h"

namespace talon::test {
namespace {

std::string read_text(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  TALON_CHECK(file.good(), "cannot read {}", path.string());
  return std::move(text).str();
}

Json parse(const std::filesystem::path& path, std::string_view text) {
  Result<Json> parsed = parse_json(text);
  TALON_CHECK(parsed.ok(), "{}: {}", path.string(), parsed.message());
  return std::move(parsed).value();
}

template <class T>
std::vector<T> values_of(const StoredTensor& tensor) {
  std::vector<T> values(tensor.bytes.size() / sizeof(T));
  std::memcpy(values.data(), tensor.bytes.data(), values.size() * sizeof(T));
  return values;
}

std::vector<double> widen(const StoredTensor& tensor) {
  if (tensor.dtype == "F32") {
    const std::vector<float> values = values_of<float>(tensor);
    return {values.begin(), values.end()};
  }
  TALON_CHECK(tensor.dtype == "BF16", "{} has dtype {}", tensor.name, tensor.dtype);
  std::vector<double> out;
  for (const uint16_t bits : values_of<uint16_t>(tensor)) {
    out.push_back(oracle::bf16_value(bits));
  }
  return out;
}

// `scale` belongs to `codes`; dtypes and shapes tell the four layouts apart.
std::vector<double> dequantise(const StoredTensor& codes, const StoredTensor& scale) {
  const int64_t cols = codes.shape[1];
  if (codes.dtype == "U8") {
    return oracle::dequant_mxfp4(codes.bytes, scale.bytes, 2 * cols);
  }
  TALON_CHECK(codes.dtype == "F8_E4M3", "{} has dtype {}", codes.name, codes.dtype);
  if (scale.dtype == "U8") {
    return oracle::dequant_mxfp8(codes.bytes, scale.bytes, cols);
  }
  const std::vector<float> scales = values_of<float>(scale);
  return scale.name.ends_with("_inv") ? oracle::dequant_fp8_block(codes.bytes, scales, cols)
                                      : oracle::dequant_fp8_channel(codes.bytes, scales, cols);
}

oracle::Weights widen_all(const std::map<std::string, StoredTensor>& tensors) {
  oracle::Weights weights;
  for (const auto& [name, tensor] : tensors) {
    if (name.find(".weight_scale") != std::string::npos || name == "d2t" || name == "t2d") {
      continue;
    }
    auto scale = tensors.find(name + "_scale");
    scale = scale == tensors.end() ? tensors.find(name + "_scale_inv") : scale;
    weights[name] = scale == tensors.end() ? widen(tensor) : dequantise(tensor, scale->second);
  }
  return weights;
}

}  // namespace

std::map<std::string, StoredTensor> read_tensors(const std::filesystem::path& folder) {
  std::map<std::string, StoredTensor> tensors;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".safetensors") {
      continue;
    }
    const std::string file = read_text(entry.path());
    uint64_t length = 0;
    std::memcpy(&length, file.data(), sizeof(length));
    const Json header = parse(entry.path(), std::string_view(file).substr(8, length));
    for (const auto& [name, value] : header.items()) {
      if (name == "__metadata__") {
        continue;
      }
      const auto offsets = value.at("data_offsets").get<std::vector<size_t>>();
      const auto data = std::string_view(file).substr(8 + length);
      const auto part = data.substr(offsets[0], offsets[1] - offsets[0]);
      tensors[name] = {name, value.at("dtype"), value.at("shape").get<std::vector<int64_t>>(),
                       std::vector<uint8_t>(part.begin(), part.end())};
    }
  }
  return tensors;
}

OracleTarget read_oracle_target(const std::filesystem::path& folder) {
  return {m3_config_from_text(read_text(folder / "config.json")), widen_all(read_tensors(folder))};
}

OracleHead read_oracle_head(const std::filesystem::path& folder, const oracle::Weights& target) {
  const std::map<std::string, StoredTensor> tensors = read_tensors(folder);
  OracleHead head;
  head.config = eagle3_config_from_text(read_text(folder / "config.json"));
  head.weights.tensors = widen_all(tensors);
  oracle::canonical_names(head.weights.tensors, target);
  if (const auto d2t = tensors.find("d2t"); d2t != tensors.end()) {
    head.weights.d2t = values_of<int64_t>(d2t->second);
  }
  return head;
}

std::vector<bool> ids_with_token(const std::filesystem::path& folder, int64_t vocab_size) {
  const std::filesystem::path path = folder / "tokenizer.json";
  if (!std::filesystem::exists(path)) {
    return {};
  }
  const Json tokenizer = parse(path, read_text(path));
  std::vector<bool> has_token(static_cast<size_t>(vocab_size), false);
  for (const auto& [token, id] : tokenizer.at("model").at("vocab").items()) {
    has_token.at(id.get<size_t>()) = true;
  }
  for (const Json& added : tokenizer.at("added_tokens")) {
    has_token.at(added.at("id").get<size_t>()) = true;
  }
  return has_token;
}

}  // namespace talon::test
