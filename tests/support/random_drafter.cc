#include "support/random_drafter.h"

#include <utility>

#include "model/checkpoint.h"
#include "support/temp_dir.h"

namespace talon::test {

std::unique_ptr<Eagle3Drafter> load_drafter(const std::filesystem::path& folder,
                                            const Model& target,
                                            std::span<const uint8_t> allowed) {
  const Checkpoint checkpoint = Checkpoint::open(folder);
  Eagle3Config config = parse_eagle3_config(checkpoint.read_text("config.json")).value();
  Eagle3Weights weights = load_eagle3_weights(checkpoint, config, target);
  const ModelTypes types{.activation = target.activation_type(), .kv = {}};
  return std::make_unique<Eagle3Drafter>(std::move(weights), std::move(config), types, allowed);
}

std::unique_ptr<Eagle3Drafter> random_drafter(const HeadOptions& options,
                                              const Model& target,
                                              std::span<const uint8_t> allowed) {
  const TempDir folder;
  write_head(folder.path(), options);
  return load_drafter(folder.path(), target, allowed);
}

}  // namespace talon::test
