#include "spec/registry.h"

#include <fmt/format.h>

#include <utility>

#include "base/error.h"
#include "model/checkpoint.h"
#include "model/checkpoint_index.h"
#include "model/dummy_weights.h"
#include "model/eagle3/config.h"
#include "model/eagle3/tensor_table.h"
#include "model/eagle3/weights.h"
#include "model/model_identity.h"
#include "model/registry.h"
#include "spec/eagle3_drafter.h"

namespace talon {
namespace {

constexpr std::string_view kConfigFile = "config.json";

[[noreturn]] void fail(const std::filesystem::path& file, std::string_view problem) {
  throw Error(ErrorCode::kUnsupported, fmt::format("{}: {}", file.string(), problem));
}

}  // namespace

std::unique_ptr<Drafter> load_drafter(const std::filesystem::path& folder,
                                      const Model& target,
                                      const DrafterOptions& options) {
  const std::filesystem::path file = folder / kConfigFile;
  const std::string text = read_small_file(file);
  const Result<ModelIdentity> identity = read_model_identity(text);
  if (!identity.ok()) {
    fail(file, identity.message());
  }
  if (!is_eagle3(identity.value())) {
    fail(file,
         fmt::format("architectures: \"{}\" is no EAGLE-3 head", identity.value().architecture));
  }
  Result<Eagle3Config> config = parse_eagle3_config(text);
  if (!config.ok()) {
    fail(file, config.message());
  }
  report_unknown_keys(file, config.value().unknown_keys, options.strict_config);
  // A head's weights are bf16 in every checkpoint there is.
  const Checkpoint checkpoint =
      options.dummy_weights ? dummy_checkpoint(folder, eagle3_tensor_table(config.value()), {})
                            : Checkpoint::open(folder);
  Eagle3Weights weights = load_eagle3_weights(checkpoint, config.value(), target, options.uploader);
  const ModelTypes types{.activation = options.type, .kv = options.kv};
  return std::make_unique<Eagle3Drafter>(std::move(weights), std::move(config).value(), types,
                                         options.allowed, options.uploader);
}

}  // namespace talon
