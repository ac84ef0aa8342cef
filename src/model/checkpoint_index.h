// Which files make up a checkpoint folder, and by what names the loader knows their tensors.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace talon {

inline constexpr std::string_view kIndexFile = "model.safetensors.index.json";

struct CheckpointFiles {
  std::vector<std::string> file_names;                          // safetensors files, sorted
  bool has_index = false;                                       // kIndexFile is there
  std::vector<std::pair<std::string, std::string>> weight_map;  // tensor, file: the index's entries
};

// Parses the text of kIndexFile (untrusted). File names are plain: no folder, ending .safetensors.
Result<CheckpointFiles> parse_checkpoint_index(std::string_view json_text);

// By the index; without one model.safetensors, or else every *.safetensors of the folder. Throws
// Error if the folder or its weights are missing. Does not look whether indexed files exist.
CheckpointFiles find_checkpoint_files(const std::filesystem::path& folder);

// A small file as text. Throws Error naming it.
std::string read_small_file(const std::filesystem::path& path);

// The name that the loaders ask for. `language_model.` or `model.language_model.` is taken off; a
// dense layer's `block_sparse_moe.gate_proj`, as transformers 5.17 writes it, is `mlp.gate_proj`;
// an EAGLE-3 head's `midlayer.` is `layers.0.`.
std::string loader_name(std::string_view file_name);

// Of a multi-token-prediction module, of the vision part, or (`verifier_`) a copy of the target's
// that a head carries: nothing that is loaded.
bool is_skipped_tensor(std::string_view file_name);

}  // namespace talon
