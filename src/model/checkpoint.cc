#include "model/checkpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <system_error>
#include <utility>

#include "base/error.h"
#include "base/printable.h"
#include "model/checkpoint_index.h"
#include "model/mapped_file.h"

namespace talon {

struct Checkpoint::State {
  std::filesystem::path folder;
  std::vector<MappedFile> files;             // what the tensors' bytes show
  std::vector<std::vector<std::byte>> made;  // likewise
  std::vector<CheckpointTensor> tensors;
  std::vector<CheckpointTensor> skipped;
};

namespace {

[[noreturn]] void fail(const std::filesystem::path& path, std::string_view problem) {
  throw Error(ErrorCode::kCorruptFile, fmt::format("{}: {}", path.string(), problem));
}

bool by_name(const CheckpointTensor& a, const CheckpointTensor& b) { return a.name < b.name; }

struct Shard {
  std::filesystem::path path;
  MappedFile file;
  std::vector<TensorEntry> entries;
};

Shard open_shard(const std::filesystem::path& path) {
  Shard shard{.path = path, .file = MappedFile(path), .entries = {}};
  const std::span<const std::byte> bytes = shard.file.bytes();
  Result<std::vector<TensorEntry>> entries = parse_safetensors(bytes, std::ssize(bytes));
  if (!entries.ok()) {
    fail(path, entries.message());
  }
  shard.entries = std::move(entries).value();
  return shard;
}

// Appends the shard's tensors to `tensors` or `skipped`.
void add_tensors(const Shard& shard,
                 std::vector<CheckpointTensor>& tensors,
                 std::vector<CheckpointTensor>& skipped) {
  for (const TensorEntry& entry : shard.entries) {
    CheckpointTensor tensor{
        .name = loader_name(entry.name),
        .file_name = shard.path.filename().string(),
        .entry = entry,
        .bytes = shard.file.bytes().subspan(static_cast<size_t>(entry.begin),
                                            static_cast<size_t>(entry.end - entry.begin))};
    (is_skipped_tensor(entry.name) ? skipped : tensors).push_back(std::move(tensor));
  }
}

// What the index promises must be in the file it names.
void check_index(const std::filesystem::path& folder,
                 const CheckpointFiles& files,
                 const std::vector<Shard>& shards) {
  std::vector<std::pair<std::string_view, std::string>> found;
  for (const Shard& shard : shards) {
    for (const TensorEntry& entry : shard.entries) {
      found.emplace_back(entry.name, shard.path.filename().string());
    }
  }
  std::sort(found.begin(), found.end());
  for (const auto& [tensor, file] : files.weight_map) {
    if (!std::binary_search(found.begin(), found.end(),
                            std::pair(std::string_view(tensor), file))) {
      fail(folder / kIndexFile,
           fmt::format("tensor \"{}\" is not in {}", printable(tensor), printable(file)));
    }
  }
}

}  // namespace

Checkpoint::Checkpoint(std::unique_ptr<State> state) : state_(std::move(state)) {}
Checkpoint::Checkpoint(Checkpoint&&) noexcept = default;
Checkpoint& Checkpoint::operator=(Checkpoint&&) noexcept = default;
Checkpoint::~Checkpoint() = default;

Checkpoint Checkpoint::open(const std::filesystem::path& folder) {
  const CheckpointFiles files = find_checkpoint_files(folder);
  auto state = std::make_unique<State>();
  state->folder = folder;
  std::vector<Shard> shards;
  for (const std::string& name : files.file_names) {
    shards.push_back(open_shard(folder / name));
    add_tensors(shards.back(), state->tensors, state->skipped);
  }
  check_index(folder, files, shards);
  for (Shard& shard : shards) {
    state->files.push_back(std::move(shard.file));
  }
  std::sort(state->tensors.begin(), state->tensors.end(), by_name);
  std::sort(state->skipped.begin(), state->skipped.end(), by_name);
  const auto twice =
      std::adjacent_find(state->tensors.begin(), state->tensors.end(),
                         [](const auto& a, const auto& b) { return a.name == b.name; });
  if (twice != state->tensors.end()) {
    fail(folder / twice->file_name,
         fmt::format("tensor \"{}\" is also in {}", printable(twice->name),
                     std::next(twice)->file_name));
  }
  return Checkpoint(std::move(state));
}

Checkpoint Checkpoint::made(const std::filesystem::path& folder, std::vector<MadeTensor> tensors) {
  auto state = std::make_unique<State>();
  state->folder = folder;
  for (MadeTensor& tensor : tensors) {
    const std::vector<std::byte>& bytes = state->made.emplace_back(std::move(tensor.bytes));
    state->tensors.push_back({.name = tensor.name,
                              .file_name = "",
                              .entry = {.name = tensor.name,
                                        .dtype = tensor.dtype,
                                        .shape = std::move(tensor.shape),
                                        .begin = 0,
                                        .end = std::ssize(bytes)},
                              .bytes = bytes});
  }
  std::sort(state->tensors.begin(), state->tensors.end(), by_name);
  return Checkpoint(std::move(state));
}

const std::filesystem::path& Checkpoint::folder() const { return state_->folder; }

std::string Checkpoint::read_text(std::string_view file_name) const {
  return read_small_file(state_->folder / file_name);
}

bool Checkpoint::has_file(std::string_view file_name) const {
  std::error_code error;
  return std::filesystem::is_regular_file(state_->folder / file_name, error);
}

const std::vector<CheckpointTensor>& Checkpoint::tensors() const { return state_->tensors; }

const std::vector<CheckpointTensor>& Checkpoint::skipped() const { return state_->skipped; }

const CheckpointTensor* Checkpoint::find(std::string_view name) const {
  const auto& tensors = state_->tensors;
  const auto at = std::lower_bound(
      tensors.begin(), tensors.end(), name,
      [](const CheckpointTensor& tensor, std::string_view n) { return tensor.name < n; });
  return at != tensors.end() && at->name == name ? &*at : nullptr;
}

}  // namespace talon
