// A Hugging Face checkpoint folder: config.json and memory-mapped safetensors shards, found
// through model.safetensors.index.json or as single files. Opening parses headers only; tensor
// bytes are read when used. Names are those of the files but for the aliases of
// model/checkpoint_index.h, above all that a leading `language_model.` is taken off. Names
// containing `mtp.` and vision parts (vision_tower, multi_modal_projector, patch_merge_mlp) are
// kept apart in `skipped()`. Thread safe once open. Views die with the checkpoint.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/tensor_view.h"
#include "model/safetensors.h"

namespace talon {

struct CheckpointTensor {
  std::string name;       // as the loader asks for it
  std::string file_name;  // the shard
  TensorEntry entry;
  std::span<const std::byte> bytes;
};

// One that is made up rather than read.
struct MadeTensor {
  std::string name{};
  FileDType dtype = FileDType::kBf16;
  std::vector<int64_t> shape{};
  std::vector<std::byte> bytes{};
};

class Checkpoint {
 public:
  // Throws Error naming the file and, inside it, the field or tensor.
  static Checkpoint open(const std::filesystem::path& folder);
  // Of tensors that it owns, each name once; only config files are read from `folder`.
  static Checkpoint made(const std::filesystem::path& folder, std::vector<MadeTensor> tensors);
  Checkpoint(Checkpoint&&) noexcept;
  Checkpoint& operator=(Checkpoint&&) noexcept;
  ~Checkpoint();

  const std::filesystem::path& folder() const;
  std::string read_text(std::string_view file_name) const;  // config.json and friends; throws
  bool has_file(std::string_view file_name) const;

  const std::vector<CheckpointTensor>& tensors() const;  // sorted by name
  const std::vector<CheckpointTensor>& skipped() const;
  const CheckpointTensor* find(std::string_view name) const;  // null: absent

 private:
  struct State;
  explicit Checkpoint(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace talon
