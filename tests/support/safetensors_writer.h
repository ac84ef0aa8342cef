// Writes safetensors files for tests: correct ones, sparse ones (true headers, data that occupies
// no disk), and deliberately broken ones. It shares nothing with the loader. Failure to write
// aborts the test program. Stateless.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace talon::test {

// One tensor with its bytes, row-major, little-endian. `dtype` as in the format: BF16, F32, U8, ...
struct StoredTensor {
  std::string name;
  std::string dtype;
  std::vector<int64_t> shape;
  std::vector<uint8_t> bytes;

  int64_t num_values() const;
};

// Bytes of one value; aborts on a dtype that the format does not have.
int64_t dtype_bytes(std::string_view dtype);

// Tensors in the given order, offsets ascending, the header padded with spaces to eight bytes.
void write_safetensors(const std::filesystem::path& path, const std::vector<StoredTensor>& tensors);

// The same header, but the data is a hole of the right length: `bytes` of the tensors is ignored.
void write_sparse_safetensors(const std::filesystem::path& path,
                              const std::vector<StoredTensor>& tensors);

// The JSON text of the header that write_safetensors would write, without padding.
std::string safetensors_header(const std::vector<StoredTensor>& tensors);

// Any bytes in the format's frame: for broken files. The length field says `header_length` if
// given, else the true length of `header`.
void write_raw_safetensors(const std::filesystem::path& path,
                           std::string_view header,
                           std::string_view data,
                           std::optional<uint64_t> header_length = {});

// Distributes tensors over shards of at most `shard_bytes` and writes model.safetensors.index.json.
// With one shard or more the names are model-00001-of-0000N.safetensors.
void write_sharded(const std::filesystem::path& folder,
                   const std::vector<StoredTensor>& tensors,
                   int64_t shard_bytes);

// model.safetensors.index.json for shards that exist already: shards[i] lists the tensors of file
// i.
void write_index(const std::filesystem::path& folder,
                 const std::vector<std::vector<StoredTensor>>& shards);
std::string shard_name(size_t index, size_t count);

}  // namespace talon::test
