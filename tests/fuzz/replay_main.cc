// Runs a fuzz target over the files of the folders it is given, without a fuzzer: each file as it
// is, then cut short at up to 64 places, since a parser's faults gather at the end of its input.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

// The input is copied to memory of exactly its size, so that a sanitizer sees a read past the end.
void run_one(const std::string& bytes, size_t size) {
  const std::vector<uint8_t> input(bytes.begin(),
                                   bytes.begin() + static_cast<std::ptrdiff_t>(size));
  LLVMFuzzerTestOneInput(input.data(), input.size());
}

void run_file(const std::filesystem::path& path) {
  constexpr size_t kCuts = 64;
  std::ifstream file(path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  run_one(bytes, bytes.size());
  const size_t cuts = std::min(kCuts, bytes.size());
  for (size_t i = 0; i < cuts; ++i) {
    run_one(bytes, bytes.size() * i / cuts);
  }
}

}  // namespace

int main(int argc, char** argv) {
  int num_files = 0;
  for (int i = 1; i < argc; ++i) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(argv[i])) {
      if (entry.is_regular_file()) {
        run_file(entry.path());
        ++num_files;
      }
    }
  }
  std::printf("replayed %d files\n", num_files);
  return num_files > 0 ? 0 : 1;
}
