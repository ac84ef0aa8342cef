// XXH3-128 of bytes, the one hash of the project (prefix keys, output digests). Not for secrets.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace talon {

struct Hash128 {
  uint64_t high = 0;
  uint64_t low = 0;

  friend bool operator==(const Hash128&, const Hash128&) = default;
};

Hash128 xxh3_128(std::span<const std::byte> bytes);

// 32 lower-case hex digits, the canonical (big-endian) order of xxHash's own tool.
std::string to_hex(const Hash128& hash);

// Hash of a stream of bytes in pieces; equal to xxh3_128 of their concatenation.
class HashStream {
 public:
  HashStream();
  ~HashStream();
  HashStream(const HashStream&) = delete;
  HashStream& operator=(const HashStream&) = delete;

  void update(std::span<const std::byte> bytes);
  Hash128 digest() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace talon
