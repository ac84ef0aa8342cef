#include "model/safetensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <utility>

#include "base/checked_int.h"
#include "base/json.h"
#include "base/printable.h"

namespace talon {
namespace {

struct DTypeRow {
  FileDType dtype;
  std::string_view name;
  int64_t bytes;
};

// In the order of the enumeration.
constexpr std::array<DTypeRow, 16> kDTypes = {{
    {FileDType::kF64, "F64", 8},
    {FileDType::kF32, "F32", 4},
    {FileDType::kF16, "F16", 2},
    {FileDType::kBf16, "BF16", 2},
    {FileDType::kF8E4M3, "F8_E4M3", 1},
    {FileDType::kF8E5M2, "F8_E5M2", 1},
    {FileDType::kF8E8M0, "F8_E8M0", 1},
    {FileDType::kI64, "I64", 8},
    {FileDType::kI32, "I32", 4},
    {FileDType::kI16, "I16", 2},
    {FileDType::kI8, "I8", 1},
    {FileDType::kU64, "U64", 8},
    {FileDType::kU32, "U32", 4},
    {FileDType::kU16, "U16", 2},
    {FileDType::kU8, "U8", 1},
    {FileDType::kBool, "BOOL", 1},
}};

constexpr size_t kMaxFileRank = 8;
constexpr size_t kMaxNameBytes = 1024;
constexpr int64_t kLengthBytes = 8;

const DTypeRow& row_of(FileDType dtype) { return kDTypes[static_cast<size_t>(dtype)]; }

std::optional<FileDType> dtype_named(std::string_view name) {
  const auto* row =
      std::find_if(kDTypes.begin(), kDTypes.end(), [&](const auto& r) { return r.name == name; });
  return row == kDTypes.end() ? std::nullopt : std::optional(row->dtype);
}

// A size or an offset: a JSON integer that is not negative.
std::optional<int64_t> natural(const Json& value) {
  if (!value.is_number_integer()) {
    return std::nullopt;
  }
  const auto number = value.get<int64_t>();
  return number < 0 ? std::nullopt : std::optional(number);
}

Failure tensor_failure(std::string_view name, std::string_view problem) {
  return Failure{fmt::format("tensor \"{}\": {}", printable(name), problem)};
}

// The shape, and the bytes that it takes; or a problem.
Result<int64_t> read_shape(const Json& value, FileDType dtype, std::vector<int64_t>& shape) {
  if (!value.is_array() || value.size() > kMaxFileRank) {
    return Failure{fmt::format("shape is not a list of at most {} sizes", kMaxFileRank)};
  }
  std::optional<int64_t> bytes = file_dtype_bytes(dtype);
  for (const Json& element : value) {
    const std::optional<int64_t> size = natural(element);
    if (!size) {
      return Failure{"shape has an entry that is not a size"};
    }
    shape.push_back(*size);
    bytes = checked_mul(*bytes, *size);
    if (!bytes) {
      return Failure{"shape has more elements than 63 bits count"};
    }
  }
  return *bytes;
}

// Where the data of a file lies.
struct DataRange {
  int64_t begin;
  int64_t size;
};

Result<TensorEntry> read_entry(const std::string& name, const Json& value, const DataRange& data) {
  if (name.empty() || name.size() > kMaxNameBytes) {
    return Failure{
        fmt::format("a tensor's name has {} bytes, not 1 to {}", name.size(), kMaxNameBytes)};
  }
  if (!value.is_object() || !value.contains("dtype") || !value.contains("shape") ||
      !value.contains("data_offsets")) {
    return tensor_failure(name, "not an object with dtype, shape and data_offsets");
  }
  if (!value["dtype"].is_string()) {
    return tensor_failure(name, "dtype is not a string");
  }
  const auto& dtype_name = value["dtype"].get_ref<const std::string&>();
  const std::optional<FileDType> dtype = dtype_named(dtype_name);
  if (!dtype) {
    return tensor_failure(name, fmt::format("unknown dtype \"{}\"", printable(dtype_name, 32)));
  }
  TensorEntry entry{.name = name, .dtype = *dtype, .shape = {}, .begin = 0, .end = 0};
  const Result<int64_t> bytes = read_shape(value["shape"], *dtype, entry.shape);
  if (!bytes.ok()) {
    return tensor_failure(name, bytes.message());
  }
  const Json& offsets = value["data_offsets"];
  if (!offsets.is_array() || offsets.size() != 2 || !natural(offsets[0]) || !natural(offsets[1])) {
    return tensor_failure(name, "data_offsets is not a pair of offsets");
  }
  const int64_t begin = *natural(offsets[0]);
  const int64_t end = *natural(offsets[1]);
  if (begin > end || end > data.size) {
    return tensor_failure(
        name,
        fmt::format("data_offsets [{}, {}] lie outside the {} bytes of data: the file is truncated "
                    "or damaged",
                    begin, end, data.size));
  }
  if (end - begin != bytes.value()) {
    return tensor_failure(name, fmt::format("data_offsets span {} bytes, dtype and shape take {}",
                                            end - begin, bytes.value()));
  }
  entry.begin = data.begin + begin;
  entry.end = data.begin + end;
  return entry;
}

// Null if no two ranges share a byte.
std::optional<Failure> find_overlap(const std::vector<TensorEntry>& entries) {
  std::vector<const TensorEntry*> order;
  for (const TensorEntry& entry : entries) {
    if (entry.end > entry.begin) {
      order.push_back(&entry);
    }
  }
  std::sort(order.begin(), order.end(), [](const auto* a, const auto* b) {
    return std::pair(a->begin, a->end) < std::pair(b->begin, b->end);
  });
  for (size_t i = 1; i < order.size(); ++i) {
    if (order[i]->begin < order[i - 1]->end) {
      return tensor_failure(order[i]->name, fmt::format("its bytes overlap those of \"{}\"",
                                                        printable(order[i - 1]->name)));
    }
  }
  return std::nullopt;
}

}  // namespace

int64_t file_dtype_bytes(FileDType dtype) { return row_of(dtype).bytes; }

std::string_view file_dtype_name(FileDType dtype) { return row_of(dtype).name; }

Result<std::vector<TensorEntry>> parse_safetensors(std::span<const std::byte> bytes,
                                                   int64_t file_bytes) {
  if (file_bytes < kLengthBytes || std::ssize(bytes) < kLengthBytes) {
    return Failure{fmt::format("{} bytes are too few for a safetensors header", file_bytes)};
  }
  uint64_t length = 0;
  std::memcpy(&length, bytes.data(), sizeof(length));
  if (length > static_cast<uint64_t>(kMaxHeaderBytes)) {
    return Failure{
        fmt::format("header length {} is over the limit of {} bytes", length, kMaxHeaderBytes)};
  }
  const auto header_bytes = static_cast<int64_t>(length);
  if (header_bytes > std::min(std::ssize(bytes), file_bytes) - kLengthBytes) {
    return Failure{fmt::format("header length {} is more than the file's {} bytes hold",
                               header_bytes, file_bytes)};
  }
  const auto* text = reinterpret_cast<const char*>(bytes.data()) + kLengthBytes;
  const Result<Json> header = parse_json({text, static_cast<size_t>(header_bytes)});
  if (!header.ok()) {
    return Failure{"header: " + header.message()};
  }
  if (!header.value().is_object()) {
    return Failure{"header: not a JSON object"};
  }
  const DataRange data{.begin = kLengthBytes + header_bytes,
                       .size = file_bytes - kLengthBytes - header_bytes};
  std::vector<TensorEntry> entries;
  entries.reserve(header.value().size());
  for (const auto& [name, value] : header.value().items()) {
    if (name == "__metadata__") {
      continue;
    }
    Result<TensorEntry> entry = read_entry(name, value, data);
    if (!entry.ok()) {
      return Failure{entry.message()};
    }
    entries.push_back(std::move(entry).value());
  }
  if (std::optional<Failure> overlap = find_overlap(entries)) {
    return *std::move(overlap);
  }
  return entries;
}

}  // namespace talon
