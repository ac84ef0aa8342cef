// A whole file mapped for reading, privately. Move-only; views of `bytes()` die with it. A file
// that another process cuts while it is mapped ends the program: nothing can be done about that
// here.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

namespace talon {

class MappedFile {
 public:
  MappedFile() = default;
  // Throws Error naming the file.
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return {data_, size_}; }

 private:
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace talon
