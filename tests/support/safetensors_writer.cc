#include "support/safetensors_writer.h"

#include <bit>
#include <cstring>
#include <fstream>
#include <map>
#include <system_error>

#include "base/check.h"
#include "base/json.h"

namespace talon::test {
namespace {

static_assert(std::endian::native == std::endian::little);

std::string padded(std::string header) {
  header.resize((header.size() + 7) / 8 * 8, ' ');
  return header;
}

void write_frame(std::ofstream& out, std::string_view header, uint64_t length) {
  char field[sizeof(length)];
  std::memcpy(field, &length, sizeof(length));
  out.write(field, sizeof(field));
  out.write(header.data(), static_cast<std::streamsize>(header.size()));
}

int64_t byte_size(const StoredTensor& tensor) {
  return tensor.num_values() * dtype_bytes(tensor.dtype);
}

void close_checked(std::ofstream& out, const std::filesystem::path& path) {
  out.close();
  TALON_CHECK(out.good(), "cannot write {}", path.string());
}

}  // namespace

int64_t StoredTensor::num_values() const {
  int64_t count = 1;
  for (const int64_t extent : shape) {
    count *= extent;
  }
  return count;
}

int64_t dtype_bytes(std::string_view dtype) {
  static const std::map<std::string_view, int64_t> kBytes = {
      {"BOOL", 1}, {"U8", 1},   {"I8", 1},  {"F8_E4M3", 1}, {"F8_E5M2", 1}, {"I16", 2},
      {"F16", 2},  {"BF16", 2}, {"I32", 4}, {"F32", 4},     {"I64", 8},     {"F64", 8},
  };
  const auto found = kBytes.find(dtype);
  TALON_CHECK(found != kBytes.end(), "no such dtype: {}", dtype);
  return found->second;
}

std::string safetensors_header(const std::vector<StoredTensor>& tensors) {
  Json header = {{"__metadata__", {{"format", "pt"}}}};
  int64_t offset = 0;
  for (const StoredTensor& tensor : tensors) {
    const int64_t end = offset + byte_size(tensor);
    header[tensor.name] = {
        {"dtype", tensor.dtype}, {"shape", tensor.shape}, {"data_offsets", {offset, end}}};
    offset = end;
  }
  return header.dump();
}

void write_safetensors(const std::filesystem::path& path,
                       const std::vector<StoredTensor>& tensors) {
  const std::string header = padded(safetensors_header(tensors));
  std::ofstream out(path, std::ios::binary);
  write_frame(out, header, header.size());
  for (const StoredTensor& tensor : tensors) {
    TALON_CHECK(std::ssize(tensor.bytes) == byte_size(tensor), "{}: {} bytes given, {} needed",
                tensor.name, tensor.bytes.size(), byte_size(tensor));
    out.write(reinterpret_cast<const char*>(tensor.bytes.data()),  // NOLINT: bytes to chars
              static_cast<std::streamsize>(tensor.bytes.size()));
  }
  close_checked(out, path);
}

void write_sparse_safetensors(const std::filesystem::path& path,
                              const std::vector<StoredTensor>& tensors) {
  const std::string header = padded(safetensors_header(tensors));
  std::ofstream out(path, std::ios::binary);
  write_frame(out, header, header.size());
  close_checked(out, path);
  uint64_t size = sizeof(uint64_t) + header.size();
  for (const StoredTensor& tensor : tensors) {
    size += static_cast<uint64_t>(byte_size(tensor));
  }
  std::error_code error;
  std::filesystem::resize_file(path, size, error);
  TALON_CHECK(!error, "cannot extend {} to {} bytes: {}", path.string(), size, error.message());
}

void write_raw_safetensors(const std::filesystem::path& path,
                           std::string_view header,
                           std::string_view data,
                           std::optional<uint64_t> header_length) {
  std::ofstream out(path, std::ios::binary);
  write_frame(out, header, header_length.value_or(header.size()));
  out.write(data.data(), static_cast<std::streamsize>(data.size()));
  close_checked(out, path);
}

std::string shard_name(size_t index, size_t count) {
  return fmt::format("model-{:05}-of-{:05}.safetensors", index + 1, count);
}

void write_index(const std::filesystem::path& folder,
                 const std::vector<std::vector<StoredTensor>>& shards) {
  int64_t total = 0;
  std::map<std::string, std::string> files;
  for (size_t i = 0; i < shards.size(); ++i) {
    for (const StoredTensor& tensor : shards[i]) {
      files[tensor.name] = shard_name(i, shards.size());
      total += byte_size(tensor);
    }
  }
  const Json index = {{"metadata", {{"total_size", total}}}, {"weight_map", files}};
  const std::filesystem::path path = folder / "model.safetensors.index.json";
  std::ofstream out(path);
  out << index.dump(2) << "\n";
  close_checked(out, path);
}

void write_sharded(const std::filesystem::path& folder,
                   const std::vector<StoredTensor>& tensors,
                   int64_t shard_bytes) {
  std::vector<std::vector<StoredTensor>> shards(1);
  int64_t used = 0;
  for (const StoredTensor& tensor : tensors) {
    if (used + byte_size(tensor) > shard_bytes && !shards.back().empty()) {
      shards.emplace_back();
      used = 0;
    }
    shards.back().push_back(tensor);
    used += byte_size(tensor);
  }
  for (size_t i = 0; i < shards.size(); ++i) {
    write_safetensors(folder / shard_name(i, shards.size()), shards[i]);
  }
  write_index(folder, shards);
}

}  // namespace talon::test
