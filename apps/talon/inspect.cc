#include "measure/inspect.h"

#include <fmt/format.h>

#include <cstdio>
#include <memory>
#include <string>

#include "base/error.h"
#include "commands.h"

namespace talon {
namespace {

struct InspectFlags {
  std::string folder;
  std::string kv_cache_dtype = "auto";
  std::string index_cache_dtype = "auto";
  bool json = false;
  bool tensors = false;
  bool strict_config = false;
};

void run(const InspectFlags& flags) {
  const auto is_fp8 = [](const std::string& name) { return name.starts_with("fp8"); };
  InspectReport report = inspect_checkpoint(
      flags.folder,
      {.fp8_kv = is_fp8(flags.kv_cache_dtype), .fp8_index = is_fp8(flags.index_cache_dtype)});
  if (flags.strict_config) {
    for (std::string& key : report.unknown_keys) {
      report.problems.push_back(fmt::format("config.json: {}: unknown key", key));
    }
  }
  const std::string text =
      flags.json ? inspect_json(report, flags.tensors) + "\n" : inspect_text(report, flags.tensors);
  std::fwrite(text.data(), 1, text.size(), stdout);
  if (!report.problems.empty()) {
    throw Error(ErrorCode::kCorruptFile, fmt::format("{}: {} problems, the first: {}", flags.folder,
                                                     report.problems.size(), report.problems[0]));
  }
}

}  // namespace

void register_inspect(CLI::App& app) {
  const auto flags = std::make_shared<InspectFlags>();
  CLI::App* command =
      app.add_subcommand("inspect", "Show what a checkpoint folder holds and check it");
  command->add_option("folder", flags->folder, "Checkpoint folder")->required();
  command
      ->add_option("--kv-cache-dtype", flags->kv_cache_dtype,
                   "Count keys and values in this type; auto: bf16")
      ->check(CLI::IsMember({"auto", "bf16", "fp8", "fp8_e4m3"}))
      ->capture_default_str();
  command
      ->add_option("--index-cache-dtype", flags->index_cache_dtype,
                   "Count index keys in this type; auto: bf16")
      ->check(CLI::IsMember({"auto", "bf16", "fp8"}))
      ->capture_default_str();
  command->add_flag("--json", flags->json, "Print one JSON object");
  command->add_flag("--tensors", flags->tensors, "List every tensor");
  command->add_flag("--strict-config", flags->strict_config,
                    "An unknown key of config.json is a problem");
  command->callback([flags] { run(*flags); });
}

}  // namespace talon
