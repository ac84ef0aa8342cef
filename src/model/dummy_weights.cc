#include "model/dummy_weights.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/checked_int.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/rng.h"
#include "model/checkpoint_index.h"

namespace talon {
namespace {

constexpr size_t kPeriod = 65'521;  // a prime: no two rows of a matrix are equal
constexpr int kE8m0Bias = 127;

// Bytes of `count` elements of T, drawn by `draw(index)` and repeated after a period.
template <class T, class Draw>
std::vector<std::byte> fill(int64_t count, const Draw& draw) {
  std::vector<std::byte> bytes(static_cast<size_t>(count) * sizeof(T));
  const size_t num_drawn = std::min(kPeriod, static_cast<size_t>(count));
  for (size_t i = 0; i < num_drawn; ++i) {
    const T value = draw(i);
    std::memcpy(bytes.data() + i * sizeof(T), &value, sizeof(T));
  }
  const size_t drawn = num_drawn * sizeof(T);
  for (size_t at = drawn; at < bytes.size(); at += drawn) {
    std::memcpy(bytes.data() + at, bytes.data(), std::min(drawn, bytes.size() - at));
  }
  return bytes;
}

// Random numbers of one tensor.
class Draws {
 public:
  explicit Draws(const std::string& name) : seed_(xxh3_128(std::as_bytes(std::span(name))).low) {}

  // Uniform in [low, high).
  float real(size_t index, float low, float high) const {
    return low + (high - low) * uniform_float(seed_, index, RngPurpose::kSynthetic);
  }
  uint8_t byte(size_t index) const { return static_cast<uint8_t>(real(index, 0.0F, 256.0F)); }

 private:
  uint64_t seed_;
};

uint16_t to_bf16(float value) {
  return static_cast<uint16_t>(std::bit_cast<uint32_t>(value) >> 16);
}

// A code of e4m3 that is no NaN, up to 1.875 in magnitude, so that scales alone decide the size.
uint8_t e4m3_code(uint8_t byte) { return static_cast<uint8_t>((byte & 0x80U) | (byte & 0x3FU)); }

// The magnitude of weights over `num_in` inputs whose sums stay near one.
float magnitude(int64_t num_in) { return 1.0F / std::sqrt(static_cast<float>(num_in)); }

uint8_t e8m0_scale(int64_t num_in) {
  return static_cast<uint8_t>(kE8m0Bias +
                              static_cast<int>(std::floor(std::log2(magnitude(num_in)))));
}

using Tensors = std::vector<MadeTensor>;

void add_bf16(const ExpectedTensor& expected, Tensors& tensors) {
  const Draws draws(expected.name);
  const bool is_gain = expected.shape.size() == 1;
  const float high = is_gain ? 1.0F : magnitude(expected.shape.back());
  const float low = is_gain ? 0.5F : -high;
  tensors.push_back({.name = expected.name,
                     .dtype = FileDType::kBf16,
                     .shape = expected.shape,
                     .bytes = fill<uint16_t>(expected.num_elements(), [&](size_t i) {
                       return to_bf16(draws.real(i, low, high));
                     })});
}

MadeTensor scales(const std::string& name,
                  FileDType dtype,
                  std::vector<int64_t> shape,
                  int64_t in) {
  const int64_t count = shape[0] * shape[1];
  const float value = magnitude(in);
  const uint8_t code = e8m0_scale(in);
  return {.name = name,
          .dtype = dtype,
          .shape = std::move(shape),
          .bytes = dtype == FileDType::kF32 ? fill<float>(count, [&](size_t) { return value; })
                                            : fill<uint8_t>(count, [&](size_t) { return code; })};
}

void add_quantised(const ExpectedTensor& expected, WeightFormat format, Tensors& tensors) {
  const Draws draws(expected.name);
  const int64_t out = expected.shape[0];
  const int64_t in = expected.shape[1];
  const bool is_fp4 = format == WeightFormat::kMxfp4;
  const int64_t row = is_fp4 ? in / 2 : in;
  tensors.push_back({.name = expected.name,
                     .dtype = is_fp4 ? FileDType::kU8 : FileDType::kF8E4M3,
                     .shape = {out, row},
                     .bytes = fill<uint8_t>(out * row, [&](size_t i) {
                       return is_fp4 ? draws.byte(i) : e4m3_code(draws.byte(i));
                     })});
  const std::string name = scale_names(expected.name)[0];
  if (format == WeightFormat::kFp8Channel) {
    tensors.push_back(scales(name, FileDType::kF32, {out, 1}, in));
  } else if (format == WeightFormat::kFp8Block) {
    tensors.push_back(
        scales(name, FileDType::kF32, {ceil_div(out, kFp8Block), ceil_div(in, kFp8Block)}, in));
  } else {
    tensors.push_back(scales(name, FileDType::kU8, {out, in / kMxGroup}, in));
  }
}

bool fits(WeightFormat format, int64_t num_in) {
  const bool is_mx = format == WeightFormat::kMxfp8 || format == WeightFormat::kMxfp4;
  return !is_mx || num_in % kMxGroup == 0;
}

void add(const ExpectedTensor& expected, const OnlineQuantConfig& formats, Tensors& tensors) {
  const int64_t count = expected.num_elements();
  const Draws draws(expected.name);
  switch (expected.role) {
    case TensorRole::kBf16:
      add_bf16(expected, tensors);
      break;
    case TensorRole::kLinear: {
      const std::optional<WeightFormat> format = online_format(formats, expected.name);
      if (format.has_value() && fits(*format, expected.shape[1])) {
        add_quantised(expected, *format, tensors);
      } else {
        add_bf16(expected, tensors);
      }
      break;
    }
    case TensorRole::kF32: {
      const float high = magnitude(expected.shape.back());
      tensors.push_back(
          {.name = expected.name,
           .dtype = FileDType::kF32,
           .shape = expected.shape,
           .bytes = fill<float>(count, [&](size_t i) { return draws.real(i, -high, high); })});
      break;
    }
    case TensorRole::kI64:  // offsets of draft ids: none
      tensors.push_back({.name = expected.name,
                         .dtype = FileDType::kI64,
                         .shape = expected.shape,
                         .bytes = fill<int64_t>(count, [](size_t) { return int64_t{0}; })});
      break;
    case TensorRole::kBool:
      tensors.push_back({.name = expected.name,
                         .dtype = FileDType::kBool,
                         .shape = expected.shape,
                         .bytes = fill<uint8_t>(count, [](size_t) { return uint8_t{1}; })});
      break;
  }
}

std::optional<WeightFormat> format_of(const Json& quantisation) {
  const std::string method = quantisation.value("quant_method", "");
  if (method == "mxfp8") {
    return WeightFormat::kMxfp8;
  }
  if (method == "quark") {
    return WeightFormat::kMxfp4;
  }
  if (method != "fp8") {
    return std::nullopt;
  }
  const auto block = quantisation.find("weight_block_size");
  const bool has_blocks = block != quantisation.end() && !block->is_null();
  return has_blocks ? WeightFormat::kFp8Block : WeightFormat::kFp8Channel;
}

// The lists of modules that stay as they are, under any of their names.
void read_excluded(const Json& quantisation, OnlineQuantConfig& formats) {
  for (const char* key : {"ignored_layers", "modules_to_not_convert", "exclude"}) {
    const auto list = quantisation.find(key);
    if (list == quantisation.end() || !list->is_array()) {
      continue;
    }
    for (const Json& name : *list) {
      if (name.is_string()) {
        formats.excluded.push_back(loader_name(name.get<std::string>()));
      }
    }
  }
}

}  // namespace

OnlineQuantConfig stored_formats(std::string_view config_json) {
  OnlineQuantConfig formats;
  const Result<Json> parsed = parse_json(config_json);
  if (!parsed.ok() || !parsed.value().is_object()) {
    return formats;
  }
  const Json& config = parsed.value();
  const Json none = Json::object();
  const auto object = [&](const Json& from, const char* key) -> const Json& {
    const auto found = from.find(key);
    return found != from.end() && found->is_object() ? *found : none;
  };
  for (const Json* place : {&config, &object(config, "text_config")}) {
    const Json& quantisation = object(*place, "quantization_config");
    if (!formats.global.has_value()) {
      formats.global = format_of(quantisation);
      read_excluded(quantisation, formats);
    }
  }
  formats.excluded.emplace_back("lm_head");
  return formats;
}

Checkpoint dummy_checkpoint(const std::filesystem::path& folder,
                            const TensorTable& table,
                            const OnlineQuantConfig& formats) {
  Tensors tensors;
  tensors.reserve(table.size());
  for (const ExpectedTensor& expected : table) {
    add(expected, formats, tensors);
  }
  return Checkpoint::made(folder, std::move(tensors));
}

}  // namespace talon
