// A safetensors file of any bytes is parsed or refused, and what is accepted lies in the file.
#include "model/safetensors.h"

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span<const std::byte> bytes(reinterpret_cast<const std::byte*>(data), size);
  const auto result = talon::parse_safetensors(bytes, std::ssize(bytes));
  if (!result.ok()) {
    TALON_CHECK(!result.message().empty(), "a failure without a message");
    TALON_CHECK(result.message().find('\n') == std::string::npos, "{}", result.message());
    return 0;
  }
  for (const talon::TensorEntry& entry : result.value()) {
    int64_t elements = 1;
    for (const int64_t extent : entry.shape) {
      elements *= extent;
    }
    TALON_CHECK(entry.begin >= 8 && entry.begin <= entry.end, "{}", entry.name);
    TALON_CHECK(entry.end <= std::ssize(bytes), "{}", entry.name);
    TALON_CHECK(entry.end - entry.begin == elements * talon::file_dtype_bytes(entry.dtype), "{}",
                entry.name);
  }
  return 0;
}
