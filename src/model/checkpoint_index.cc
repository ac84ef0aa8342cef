#include "model/checkpoint_index.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>
#include <system_error>

#include "base/error.h"
#include "base/json.h"
#include "base/printable.h"

namespace talon {
namespace {

constexpr std::string_view kSuffix = ".safetensors";
constexpr uintmax_t kMaxSmallFileBytes = uintmax_t{256} << 20;

bool take_prefix(std::string_view& name, std::string_view prefix) {
  if (!name.starts_with(prefix)) {
    return false;
  }
  name.remove_prefix(prefix.size());
  return true;
}

bool is_plain_shard_name(std::string_view name) {
  return name.size() > kSuffix.size() && name.ends_with(kSuffix) && name.front() != '.' &&
         name.find_first_of(std::string_view("/\\\0", 3)) == std::string_view::npos;
}

std::vector<std::string> list_shards(const std::filesystem::path& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    std::string name = entry.path().filename().string();
    if (is_plain_shard_name(name)) {
      names.push_back(std::move(name));
    }
  }
  if (error) {
    throw Error(ErrorCode::kUnavailable, fmt::format("{}: {}", folder.string(), error.message()));
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

Result<CheckpointFiles> parse_checkpoint_index(std::string_view json_text) {
  const Result<Json> parsed = parse_json(json_text);
  if (!parsed.ok()) {
    return Failure{parsed.message()};
  }
  const Json& root = parsed.value();
  if (!root.is_object() || !root.contains("weight_map") || !root["weight_map"].is_object()) {
    return Failure{"weight_map: missing, or not an object"};
  }
  CheckpointFiles files;
  files.has_index = true;
  for (const auto& [tensor, file] : root["weight_map"].items()) {
    if (!file.is_string() || !is_plain_shard_name(file.get_ref<const std::string&>())) {
      return Failure{
          fmt::format("weight_map: \"{}\" does not name a .safetensors file of this folder",
                      printable(tensor))};
    }
    files.weight_map.emplace_back(tensor, file.get<std::string>());
    files.file_names.push_back(files.weight_map.back().second);
  }
  if (files.weight_map.empty()) {
    return Failure{"weight_map: empty"};
  }
  std::sort(files.file_names.begin(), files.file_names.end());
  files.file_names.erase(std::unique(files.file_names.begin(), files.file_names.end()),
                         files.file_names.end());
  return files;
}

CheckpointFiles find_checkpoint_files(const std::filesystem::path& folder) {
  std::error_code error;
  if (!std::filesystem::is_directory(folder, error)) {
    throw Error(ErrorCode::kNotFound, fmt::format("{}: no such folder", folder.string()));
  }
  const std::filesystem::path index = folder / kIndexFile;
  if (std::filesystem::exists(index, error)) {
    Result<CheckpointFiles> files = parse_checkpoint_index(read_small_file(index));
    if (!files.ok()) {
      throw Error(ErrorCode::kCorruptFile, fmt::format("{}: {}", index.string(), files.message()));
    }
    return std::move(files).value();
  }
  CheckpointFiles files;
  files.file_names = list_shards(folder);
  if (files.file_names.empty()) {
    throw Error(ErrorCode::kNotFound,
                fmt::format("{}: neither {} nor a .safetensors file", folder.string(), kIndexFile));
  }
  const std::string single = "model.safetensors";
  if (std::binary_search(files.file_names.begin(), files.file_names.end(), single)) {
    files.file_names = {single};
  }
  return files;
}

std::string read_small_file(const std::filesystem::path& path) {
  std::error_code error;
  const uintmax_t size = std::filesystem::file_size(path, error);
  if (error) {
    throw Error(ErrorCode::kNotFound, fmt::format("{}: {}", path.string(), error.message()));
  }
  if (size > kMaxSmallFileBytes) {
    throw Error(ErrorCode::kCorruptFile, fmt::format("{}: {} bytes are over the limit of {}",
                                                     path.string(), size, kMaxSmallFileBytes));
  }
  std::ifstream file(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(file), {}};
  if (!file) {
    throw Error(ErrorCode::kUnavailable, fmt::format("{}: cannot be read", path.string()));
  }
  return text;
}

std::string loader_name(std::string_view file_name) {
  std::string_view rest = file_name;
  const bool has_outer_model = take_prefix(rest, "model.language_model.");
  if (!has_outer_model) {
    take_prefix(rest, "language_model.");
  }
  std::string name(rest);
  if (take_prefix(rest, "midlayer.")) {
    name = fmt::format("layers.0.{}", rest);
  }
  // With the outer prefix the inner one may have been left out.
  if (has_outer_model && !rest.starts_with("model.") && !rest.starts_with("lm_head.")) {
    name.insert(0, "model.");
  }
  constexpr std::string_view kMoe = ".block_sparse_moe.";
  const size_t at = name.find(kMoe);
  if (at != std::string::npos) {
    const std::string_view part = std::string_view(name).substr(at + kMoe.size());
    if (part.starts_with("gate_proj.") || part.starts_with("up_proj.") ||
        part.starts_with("down_proj.")) {
      name.replace(at, kMoe.size(), ".mlp.");
    }
  }
  return name;
}

bool is_skipped_tensor(std::string_view file_name) {
  constexpr std::array<std::string_view, 4> kParts = {"vision_tower.", "multi_modal_projector.",
                                                      "patch_merge_mlp.", "verifier_"};
  if (file_name.find("mtp.") != std::string_view::npos) {
    return true;
  }
  take_prefix(file_name, "model.");
  return std::any_of(kParts.begin(), kParts.end(),
                     [&](std::string_view part) { return file_name.starts_with(part); });
}

}  // namespace talon
